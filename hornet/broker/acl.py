"""What the ACL of Redis does not let this node hear: counted, and told once with what would change it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hornet.broker.keys import OWN_PREFIX
from hornet.broker.subscribing import Subscription, SubscriptionSet
from hornet.core.errors import RefusedByRedis

log = logging.getLogger(__name__)

MAX_NAMED = 1000
"""Topics that the log names. Where clients choose what they subscribe to, they could fill it."""


ASK_AGAIN_S = 10.0
"""How often what was refused is asked for again while somebody still wants it: an ACL may change."""


class Refusals:
    """What is held now although Redis refuses it. ``ask`` is how it is asked for again."""

    def __init__(self, ask: Callable[[SubscriptionSet, str, Subscription], None]) -> None:
        self._ask = ask
        self._held: dict[Subscription, tuple[SubscriptionSet, str]] = {}
        self._named: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.count = 0
        """How many times Redis refused to subscribe to something."""

    @property
    def names(self) -> tuple[str, ...]:
        """The topics and globs that are refused and held."""
        return tuple(name for _, name in self._held.values())

    def refuse(self, wanted: SubscriptionSet, name: str, hold: Subscription, reason: str) -> None:
        """Fail the hold. It is logged if that is news about ``name``."""
        self.count += 1
        rule = rule_for(wanted.subscribe, name, reason)
        why = f"it does not permit to listen on {name!r}: its user lacks {rule}"
        self._log(name, why)
        hold.fail(RefusedByRedis(why))
        self._held[hold] = (wanted, name)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._ask_again)

    def granted(self, name: str, hold: Subscription) -> bool:
        """Redis subscribes to it now; True if it had refused that. A later refusal is news."""
        self._named.discard(name)
        return self._held.pop(hold, None) is not None

    def forget(self, hold: Subscription) -> None:
        """Nobody holds it any more."""
        self._held.pop(hold, None)

    def pause(self) -> None:
        """The connection is lost; on the next one all is asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask_again(self) -> None:
        self._timer = None
        for hold, (wanted, name) in self._held.items():
            if hold.confirmed.done():
                hold.renew()
                self._ask(wanted, name, hold)

    def _log(self, name: str, why: str) -> None:
        if name in self._named or len(self._named) > MAX_NAMED:
            return
        self._named.add(name)
        if len(self._named) <= MAX_NAMED:
            log.error("Redis refuses a subscription: %s (see ACL SETUSER)", why)
        else:
            log.error("Redis refuses subscriptions to more than %d topics: no more are named", MAX_NAMED)


def rule_for(command: bytes, name: str, reason: str) -> str:
    """The rule that a user of Redis lacks, to be given by ``ACL SETUSER``.

    A glob counts as permitted only if one of the user's rules is the same text, or by ``allchannels``.
    """
    if "permissions to run" in reason:
        return f"+{command.decode().lower()}"
    if command == b"SUBSCRIBE" and name.startswith(OWN_PREFIX):
        return f"&{OWN_PREFIX}*"
    return f"&{name}"
