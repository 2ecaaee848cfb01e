"""Sessions whose clients must not come back: their records are deleted, however long Redis is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from hornet.broker.session_records import SessionRecordStore
from hornet.core.errors import RedisUnavailable
from hornet.core.session_records import SessionRecord
from hornet.flows.process.background import finish

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Pause before Redis is asked again."""


class RecordDeletions:
    """Deletes records in the background. What waits for that is deleted for this node already."""

    def __init__(self, store: SessionRecordStore) -> None:
        self._store = store
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._returning = 0
        self._revoked: list[tuple[frozenset[str], str | None]] = []
        """The tokens, or the user, of each revocation while clients come back."""

    def __contains__(self, digest: str) -> bool:
        return digest in self._waiting

    def delete(self, digest: str, user: str | None) -> None:
        """Delete one record."""
        self._waiting.add(digest)
        task = self._start(lambda: self._store.delete(digest, user))
        task.add_done_callback(lambda _: self._waiting.discard(digest))

    def forget_user(self, user: str) -> None:
        """Let no session of the user come back."""
        if not self._store.keeps:
            return
        self._note(frozenset(), user)
        self._start(lambda: self._store.forget_user(user))

    def revoke(self, tokens: Collection[str]) -> None:
        """Let nobody come back who got in by one of these tokens."""
        if not self._store.keeps:
            return
        self._note(frozenset(tokens), None)
        self._start(lambda: self._store.revoke(tokens))

    # Revocations while a client comes back: Redis may have given its record away just before.

    def begin_return(self) -> int:
        """Note that a client begins to come back; return the number to give to :meth:`is_revoked`."""
        self._returning += 1
        return len(self._revoked)

    def is_revoked(self, record: SessionRecord, since: int) -> bool:
        """Return whether a token or the user of the record was revoked since :meth:`begin_return`."""
        return any(
            not tokens.isdisjoint(record.tokens) or (user is not None and user == record.user)
            for tokens, user in self._revoked[since:]
        )

    def end_return(self) -> None:
        """Note that a client is back, or does not come."""
        self._returning -= 1
        if not self._returning:
            self._revoked.clear()

    def _note(self, tokens: frozenset[str], user: str | None) -> None:
        if self._returning:
            self._revoked.append((tokens, user))

    async def close(self, timeout_s: float) -> None:
        """Wait until Redis has done it all, but not longer than this."""
        if late := await finish(tuple(self._tasks), timeout_s):
            log.warning("Stopped before %d records of sessions were deleted", late)

    def _start(self, change: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._persist(change), name="hornet-record-deletion")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _persist(self, change: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await change()
            except RedisUnavailable as error:
                log.debug("Records of sessions can't be deleted now: %s", error)
                await asyncio.sleep(RETRY_S)
