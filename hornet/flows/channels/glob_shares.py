"""How many of the node's globs the patterns of one session, and of one address, may take.

Without shares, two sessions could take all globs of a node, and the patterns of everybody else would be
refused. Globs that others have already cost a node nothing, so a session may always join in them. Exact globs
are not counted: where they are all taken, a broad one serves as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from hornet.core.limits import counted_as
from hornet.flows.sessions.sessions import Session

K = TypeVar("K")

SESSION_GLOBS = 32
"""A page subscribes to a handful of kinds of patterns; a subset has two globs."""

ADDRESS_GLOBS = 64
"""All sessions of an address. Its clients usually show the same page, whose globs they share."""


class GlobShares:
    """Counts the globs in use by each session and by each address; several uses of one count once."""

    def __init__(self) -> None:
        self._of_session: dict[Session, Counter[str]] = {}
        self._of_address: dict[str, Counter[str]] = {}

    def has_room(self, session: Session, added: Sequence[str]) -> bool:
        """Return whether the session may make the node subscribe to ``added``, which nobody has."""
        used = len(self._of_session.get(session, ()))
        used_by_address = len(self._of_address.get(counted_as(session.address) or "", ()))
        return used + len(added) <= SESSION_GLOBS and used_by_address + len(added) <= ADDRESS_GLOBS

    def take(self, session: Session, globs: Sequence[str]) -> None:
        """Count one more use of each glob."""
        if not globs:
            return
        self._of_session.setdefault(session, Counter()).update(globs)
        address = counted_as(session.address)
        if address is not None:
            self._of_address.setdefault(address, Counter()).update(globs)

    def give_back(self, session: Session, globs: Sequence[str]) -> None:
        """Undo one :meth:`take` with the same arguments."""
        if not globs:
            return
        _subtract(self._of_session, session, globs)
        address = counted_as(session.address)
        if address is not None:
            _subtract(self._of_address, address, globs)


def _subtract(uses: dict[K, Counter[str]], key: K, globs: Sequence[str]) -> None:
    counter = uses[key]
    for glob in globs:
        counter[glob] -= 1
        if not counter[glob]:
            del counter[glob]
    if not counter:
        del uses[key]
