"""Revoked tokens: every node ends the sessions of those that a backend names on the reserved channel."""

from __future__ import annotations

import asyncio
import logging

from hornet.broker.tokens import TokenStore
from hornet.core.backend_commands import DisconnectTokens
from hornet.core.errors import RedisUnavailable
from hornet.flows.auth.admission import Admission
from hornet.flows.recovery.record_deletions import RecordDeletions

log = logging.getLogger(__name__)


class TokenRevocation:
    """Carries out ``disconnect_tokens`` for the sessions of this node."""

    def __init__(self, *, admission: Admission, tokens: TokenStore, deletions: RecordDeletions) -> None:
        self._admission = admission
        self._deletions = deletions
        self._tokens = tokens
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, command: DisconnectTokens) -> None:
        """Close the sessions of the tokens at once; delete unused tokens in the background.

        Sessions that are away don't come back.
        """
        self._admission.revoke(command.tokens)
        self._deletions.revoke(command.tokens)
        task = asyncio.create_task(self._delete_unused(command.tokens))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _delete_unused(self, tokens: frozenset[str]) -> None:
        try:
            await self._tokens.revoke(tokens)
        except RedisUnavailable as error:
            log.error("Revoked tokens may live until they expire, Redis is unavailable: %s", error)
