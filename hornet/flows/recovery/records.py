"""The records of this node's sessions: written before a client is let in, kept up to date, and deleted.

A session that may come back has a record in Redis from before its client is told that it is in until some
time after its connection was lost. A node that is killed can write nothing any more, so the record must say
at any moment what the client was told: it is written before each answer that tells of a change. Changes that
no client waits for are written a little later, together.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

from hornet.broker.session_records import Claimed, SessionRecordStore, Written
from hornet.core import answers
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.errors import RedisUnavailable
from hornet.core.grants import Grant
from hornet.core.messages import Message
from hornet.core.session_records import SessionRecord, digest_pid
from hornet.core.sessions import AuthState
from hornet.engine import Reason
from hornet.flows.process.background import finish
from hornet.flows.recovery.describing import describe, with_grant
from hornet.flows.recovery.record_deletions import RecordDeletions
from hornet.flows.recovery.resuming import wants_positions
from hornet.flows.sessions.sessions import Session
from hornet.flows.sessions.signals import Signals

log = logging.getLogger(__name__)

DEBOUNCE_S = 0.2
"""How long changes that no client waits for are collected."""

LOST = frozenset(
    {
        Reason.TRANSPORT_CLOSE,
        Reason.TRANSPORT_ERROR,
        Reason.PING_TIMEOUT,
        Reason.FORCED_CLOSE,
        Reason.SLOW_READER,
        Reason.SHUTDOWN,
    }
)
"""The ends after which a client may come back: neither it nor Hornet wanted the session to be over."""

IDLE_S = 60.0
"""Pause of a node that keeps no records."""

PID_BYTES = 24
"""Of a pid that the engine does not make."""

CHANGING_EVENTS = frozenset({"hornet:subscribe", "hornet:unsubscribe"})
"""Events of clients that may change what no signal tells of: patterns and rights."""


@dataclass(eq=False, slots=True)
class _Kept:
    """What the node knows of one session that may come back."""

    pid: str = field(repr=False)
    digest: str
    since: dict[str, str] = field(default_factory=dict)
    """The offset at which the session entered each channel."""
    written: SessionRecord | None = None
    """What Redis has; None where it has no record."""
    is_changed: bool = False
    is_missing: bool = False
    """Redis had no record at the last refresh."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    timer: asyncio.TimerHandle | None = None
    tells: dict[str, object] = field(default_factory=dict)
    """Fields that the message ``connected`` has for this session alone."""


class SessionRecords:
    """Keeps the records of the sessions that asked for it. Another session costs a look into a dictionary."""

    def __init__(
        self,
        *,
        store: SessionRecordStore,
        deletions: RecordDeletions,
        offset: Callable[[], str],
        patterns_of: Callable[[Session], Collection[str]],
        signals: Signals,
    ) -> None:
        self._store = store
        self._deletions = deletions
        self._offset = offset
        self._patterns_of = patterns_of
        self._kept: dict[Session, _Kept] = {}
        self._writing: dict[str, asyncio.Lock] = {}
        """The records that are being written, by their digest."""
        self._tasks: set[asyncio.Task[None]] = set()
        signals.joined.connect(self._on_joined)
        signals.left.connect(self._on_left)
        signals.logged_out.connect(self._on_logged_out)
        signals.user_authenticated.connect(lambda session, _: self._change(session))

    def configure(self, *, max_of_user: int) -> None:
        """Change how many sessions of a user may come back."""
        self._store.configure(max_of_user=max_of_user)

    # The life of a session -----------------------------------------------------------------------

    def __contains__(self, session: Session) -> bool:
        return session in self._kept

    def __len__(self) -> int:
        """Return how many sessions of this node may come back."""
        return len(self._kept)

    def open(self, session: Session) -> None:
        """Keep a record of the session from when it is let in, if its client asked for that."""
        handshake = session.handshake
        session.positions = wants_positions(handshake)
        if not (handshake.pid or session.positions) or not self._store.keeps:
            return
        pid = handshake.pid or secrets.token_urlsafe(PID_BYTES)
        digest = digest_pid(pid)
        assert digest is not None
        self._kept[session] = kept = _Kept(pid, digest)
        if session.positions:
            kept.tells["session"] = pid

    def restore(self, session: Session, record: SessionRecord, *, is_in_redis: bool) -> None:
        """Keep the record of a session that came back."""
        kept = self._kept[session]
        kept.written = record if is_in_redis else None
        kept.since = {name: channel.since for name, channel in record.channels.items()}

    def tell(self, session: Session, **fields: object) -> None:
        """Have the session's next message ``connected`` say more than those of others."""
        kept = self._kept.get(session)
        if kept is not None:
            kept.tells |= fields

    def connected(self, session: Session) -> Message | None:
        """Return the message ``connected`` for this session; None where it is that of all."""
        kept = self._kept.get(session)
        if kept is None or not kept.tells:
            return None
        body = {**answers.CONNECTED.body, **kept.tells}
        kept.tells.pop("recovered", None)
        return Message(CONTROL_CHANNEL, body)

    async def expect(self, session: Session, grant: Grant, claim: object) -> None:
        """Write the record of a session that is about to get ``grant``, before its client is told so.

        A session that can't be written is let in all the same, and can't come back.
        """
        kept = self._kept.get(session)
        if kept is None:
            return
        expected = with_grant(self._describe(session, kept), session, grant, claim, self._offset())
        await self._write(session, kept, expected)

    def undo(self, session: Session) -> None:
        """Take :meth:`expect` back: the session did not get the grant."""
        kept = self._kept.get(session)
        if kept is None or kept.written is None:
            return
        if session.state is AuthState.READY:
            self._change(session)
        else:
            self._forget(kept)

    async def save(self, session: Session) -> bool:
        """Write the record as it is now, before the client is told of something; return if there is one."""
        kept = self._kept.get(session)
        if kept is None:
            return False
        await self._update(session, kept)
        return kept.written is not None

    async def settle(self, session: Session, event: str) -> None:
        """Write what ``event`` changed, before its acknowledgement is sent."""
        kept = self._kept.get(session)
        if kept is None or session.state is not AuthState.READY:
            return
        if kept.is_changed or event in CHANGING_EVENTS:
            await self._update(session, kept)

    def end(self, session: Session, reason: str) -> bool:
        """Forget a session that ended; return whether its client may come back."""
        kept = self._kept.pop(session, None)
        if kept is None:
            return False
        self._stop_timer(kept)
        if kept.written is None:
            return False
        if reason in LOST:
            self._start(self._leave(kept.digest))
            return True
        self._delete(kept)
        return False

    def drop(self, session: Session) -> None:
        """Forget a session, whose record another connection has by now."""
        kept = self._kept.pop(session, None)
        if kept is not None:
            self._stop_timer(kept)

    def discard(self, digest: str, record: SessionRecord) -> None:
        """Delete the record of a session that goes on under other ids."""
        self._deletions.delete(digest, record.user)

    def is_of(self, session: Session, digest: str) -> bool:
        """Return whether the record with this digest is the session's."""
        kept = self._kept.get(session)
        return kept is not None and kept.digest == digest

    async def claim(self, digest: str) -> Claimed | None:
        """Take over the session with this record; None where there is none that may come back.

        Raises:
            RedisUnavailable: it is not known whether there is one.
        """
        if digest in self._deletions:
            return None
        if (lock := self._writing.get(digest)) is not None:
            async with lock:
                pass
        claimed = await self._store.claim(digest)
        return None if digest in self._deletions else claimed

    # Writing -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Refresh the records until cancelled."""
        while True:
            await asyncio.sleep(self._store.refresh_s or IDLE_S)
            try:
                await self.refresh()
            except RedisUnavailable as error:
                log.debug("The records of sessions could not be refreshed: %s", error)

    def renew(self) -> None:
        """Write the records again that Redis has lost: it has begun another history."""
        self._start(self._renew())

    async def _renew(self) -> None:
        try:
            await self.refresh(is_lost=True)
        except RedisUnavailable as error:
            log.debug("The records of sessions could not be written again: %s", error)

    async def refresh(self, *, is_lost: bool = False) -> None:
        """Refresh all records; write those that Redis has lost, or did not take.

        A record that is missing may have been deleted by another node, which told this one to end the
        session. So it is written again only if the session is still there at the next refresh, or if
        Redis is known to have lost its data.

        Raises:
            RedisUnavailable: not all were refreshed.
        """
        sessions = {kept.digest: session for session, kept in self._kept.items() if kept.written is not None}
        missing = await self._store.refresh(list(sessions))
        for digest in sessions.keys() - set(missing):
            if (kept := self._kept.get(sessions[digest])) is not None:
                kept.is_missing = False
        for digest in missing:
            kept = self._kept.get(sessions[digest])
            if kept is None:
                continue
            if kept.is_missing or is_lost:
                kept.written, kept.is_changed, kept.is_missing = None, True, False
            else:
                kept.is_missing = True
        unwritten = [pair for pair in self._kept.items() if pair[1].is_changed and pair[1].written is None]
        await asyncio.gather(*(self._update(*pair) for pair in unwritten))

    async def close(self, timeout_s: float) -> None:
        """Wait until Redis knows of the changes, but not longer than this."""
        changed = [(session, kept) for session, kept in self._kept.items() if kept.is_changed]
        tasks = [*self._tasks, *(asyncio.ensure_future(self._update(*pair)) for pair in changed)]
        await finish(tasks, timeout_s)

    def _describe(self, session: Session, kept: _Kept) -> SessionRecord:
        return describe(session, kept.since, self._patterns_of(session))

    async def _update(self, session: Session, kept: _Kept) -> None:
        """Write the record as it is now, if it has changed."""
        if session.state is AuthState.READY and self._kept.get(session) is kept:
            await self._write(session, kept, None)

    async def _write(self, session: Session, kept: _Kept, expected: SessionRecord | None) -> None:
        async with kept.writing:
            self._writing[kept.digest] = kept.writing
            try:
                await self._write_record(session, kept, expected)
            finally:
                del self._writing[kept.digest]

    async def _write_record(self, session: Session, kept: _Kept, expected: SessionRecord | None) -> None:
        if expected is None:
            kept.is_changed = False
            self._stop_timer(kept)
        record = expected or self._describe(session, kept)
        if record == kept.written:
            return
        try:
            written = await self._store.write(kept.digest, record, is_new=kept.written is None)
        except RedisUnavailable as error:
            log.debug("The record of session %s could not be written: %s", session.sid, error)
            self._change(session)
            return
        except ValueError as error:
            log.warning("Session %s can't come back: %s", session.sid, error)
            return
        if written is not Written.WRITTEN:
            return
        kept.written = record
        if self._kept.get(session) is not kept and session.end_code:
            self._delete(kept)  # the session was ended meanwhile

    def _change(self, session: Session) -> None:
        """Note that the record differs from what Redis has; it is written soon."""
        kept = self._kept.get(session)
        if kept is None:
            return
        kept.is_changed = True
        if kept.timer is None and kept.written is not None:
            loop = asyncio.get_running_loop()
            kept.timer = loop.call_later(DEBOUNCE_S, self._write_later, session, kept)

    def _write_later(self, session: Session, kept: _Kept) -> None:
        kept.timer = None
        if kept.is_changed:
            self._start(self._update(session, kept))

    def _on_joined(self, session: Session, channel: str) -> None:
        kept = self._kept.get(session)
        if kept is not None:
            kept.since.setdefault(channel, self._offset())
            self._change(session)

    def _on_left(self, session: Session, channel: str) -> None:
        kept = self._kept.get(session)
        if kept is not None:
            kept.since.pop(channel, None)
            self._change(session)

    def _on_logged_out(self, session: Session) -> None:
        kept = self._kept.get(session)
        if kept is not None and kept.written is not None:
            self._forget(kept)

    def _forget(self, kept: _Kept) -> None:
        self._stop_timer(kept)
        self._delete(kept)
        kept.written, kept.is_changed = None, False

    async def _leave(self, digest: str) -> None:
        try:
            await self._store.leave(digest)
        except RedisUnavailable as error:
            log.debug("Redis is not told that a connection is lost: %s", error)

    def _delete(self, kept: _Kept) -> None:
        self._deletions.delete(kept.digest, kept.written.user if kept.written is not None else None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="hornet-session-records")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop_timer(self, kept: _Kept) -> None:
        if kept.timer is not None:
            kept.timer.cancel()
            kept.timer = None
