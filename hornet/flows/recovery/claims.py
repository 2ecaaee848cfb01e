"""Of several clients that come back with one pid, only the last comes back: on this node, or on another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hornet.flows.sessions.sessions import Session

REMEMBER_S = 10.0
"""How long a session is known by the pid that it had before: a notice of another node may be so late."""


@dataclass(eq=False, slots=True)
class PidClaim:
    """A client on its way back to the session with the record ``digest``."""

    digest: str


class PidClaims:
    """Knows which client on this node came last with each pid."""

    def __init__(self) -> None:
        self._last: dict[str, PidClaim] = {}
        self._successors: dict[str, Session] = {}

    def begin(self, digest: str) -> PidClaim | None:
        """Note that a client came, later than all others; None where the session has gone on already."""
        if digest in self._successors:
            return None
        claim = self._last[digest] = PidClaim(digest)
        return claim

    def settle(self, claim: PidClaim) -> bool:
        """Return whether the client may enter: no other came after it. Its claim ends with that."""
        if self._last.get(claim.digest) is not claim:
            return False
        del self._last[claim.digest]
        return True

    def is_last(self, claim: PidClaim) -> bool:
        return self._last.get(claim.digest) is claim

    def go_on(self, digest: str, session: Session) -> None:
        """Note that ``session`` goes on, under other ids, with what the pid opened: nobody else may."""
        self._successors[digest] = session
        asyncio.get_running_loop().call_later(REMEMBER_S, self._successors.pop, digest, None)

    def take(self, digest: str) -> Session | None:
        """Note that a client came later to another node; return the session that went on here meanwhile."""
        self._last.pop(digest, None)
        return self._successors.get(digest)

    def forget(self, digest: str) -> None:
        """Let clients come back with the pid again: the session did not go on."""
        self._successors.pop(digest, None)
