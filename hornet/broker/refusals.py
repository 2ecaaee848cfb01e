"""What the ACL of Redis does not let this node hear: counted, and told once with what would change it."""

from __future__ import annotations

import logging

from hornet.broker.keys import OWN_PREFIX
from hornet.core.errors import RefusedByRedis

log = logging.getLogger(__name__)

MAX_NAMED = 1000
"""Topics that the log names. Where clients choose what they subscribe to, they could fill it."""


class Refusals:
    """Makes the errors for refused subscriptions."""

    def __init__(self) -> None:
        self.count = 0
        """How many times Redis refused to subscribe to something."""
        self._named: set[str] = set()

    def refuse(self, command: bytes, name: str, reason: str) -> RefusedByRedis:
        """The error for whoever wants ``name``; it is logged if it is the first one about that."""
        self.count += 1
        why = f"it does not permit to listen on {name!r}: its user lacks {rule_for(command, name, reason)}"
        if name not in self._named and len(self._named) <= MAX_NAMED:
            self._named.add(name)
            if len(self._named) <= MAX_NAMED:
                log.error("Redis refuses a subscription: %s (see ACL SETUSER)", why)
            else:
                log.error("Redis refuses subscriptions to more than %d topics: no more are named", MAX_NAMED)
        return RefusedByRedis(why)

    def granted(self, name: str) -> None:
        """Redis subscribes to ``name`` now; should it refuse that later, it is news again."""
        self._named.discard(name)


def rule_for(command: bytes, name: str, reason: str) -> str:
    """The rule that a user of Redis lacks, to be given by ``ACL SETUSER``.

    A glob counts as permitted only if one of the user's rules is the same text, or by ``allchannels``.
    """
    if "permissions to run" in reason:
        return f"+{command.decode().lower()}"
    if command == b"SUBSCRIBE" and name.startswith(OWN_PREFIX):
        return f"&{OWN_PREFIX}*"
    return f"&{name}"
