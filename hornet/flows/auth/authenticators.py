"""The authenticators of a node in their order: which evidence each is offered, and how a claim is checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hornet.core import codes
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.grants import Grant, check_grant
from hornet.flows.auth.authenticator import MESSAGE, Authenticator, Claim, Evidence

log = logging.getLogger(__name__)

WITHOUT_EVENT = ""
"""Stands for the name of an event where evidence comes with the handshake."""


class Authenticators:
    """Offers evidence to each authenticator that may want it, the first one first."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)
        self.events = tuple(dict.fromkeys(event for each in authenticators for event in each.events))
        """The events, beside ``message``, that carry evidence."""
        self._offered_to = {
            event: tuple(each for each in authenticators if event in (WITHOUT_EVENT, MESSAGE, *each.events))
            for event in (WITHOUT_EVENT, MESSAGE, *self.events)
        }

    def offered(self, evidence: Evidence) -> tuple[Authenticator, ...]:
        """Return the authenticators to offer the evidence to, in order."""
        return self._offered_to[evidence.event]

    async def check(self, claim: Claim) -> Grant:
        """Return the grant for the claim.

        An authenticator may be a plug-in. One that fails, or that grants what no grant may hold, is logged,
        and the client may try again.

        Raises:
            RefusedCredentials, RedisUnavailable: as the authenticator raises them.
        """
        authenticator, value = claim
        try:
            grant = await authenticator.check(value)
            check_grant(grant)
        except (RefusedCredentials, RedisUnavailable):
            raise
        except Exception:
            log.exception("%s failed", type(authenticator).__name__)
            raise uncheckable() from None
        return grant

    async def aclose(self) -> None:
        """Close all authenticators: the node stops."""
        for authenticator in self._authenticators:
            await authenticator.aclose()


def uncheckable() -> RefusedCredentials:
    """Return the refusal of an attempt that nobody can check now."""
    return RefusedCredentials(codes.UNAVAILABLE, "This can't be checked right now, please try again")
