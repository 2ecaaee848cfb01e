"""How a client comes into the main namespace: its id, the answer to its CONNECT, and the first hooks.

Sections that are named here are those of the Socket.IO protocol
(https://github.com/socketio/socket.io-protocol).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import replace

from hornet.engine.counts import Counts
from hornet.engine.socketio.connect_packets import (
    IDS_PER_PID,
    RecoveryRequest,
    dump_connected,
    parse_recovery,
)
from hornet.engine.socketio.manager import RoomManager
from hornet.engine.socketio.not_started import NotStarted
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_table import SessionTable
from hornet.engine.types import Handshake, Hooks, Reason
from hornet.engine.wire.prepared import OFFSETS, RECOVERABLE

log = logging.getLogger(__name__)


class Arrivals:
    """The clients that connect to the main namespace of one node."""

    def __init__(
        self, *, sessions: SessionTable, manager: RoomManager, counts: Counts, recovers: bool
    ) -> None:
        self.hooks: Hooks = NotStarted()
        self._sessions = sessions
        self._manager = manager
        self._counts = counts
        self._recovers = recovers
        self._recovering: set[EngineSession] = set()

    def may_connect(self, session: EngineSession) -> bool:
        """Return whether the session has no id in the main namespace, and is not about to get one."""
        return session.sid is None and session.is_open and session not in self._recovering

    def connect(self, session: EngineSession, auth: object | None) -> None:
        """Connect a client; one that had a session before gets that one, if a hook finds it."""
        handshake = session.handshake if auth is None else replace(session.handshake, auth=auth)
        if self._recovers and handshake.protocol == 4:
            request = parse_recovery(
                auth,
                handshake.query,
                by_default=self._sessions.settings.recover_by_default,
                foreign=self._counts.foreign_recoveries,
            )
            if request is not None:
                pid = "".join(self._sessions.generate_id() for _ in range(IDS_PER_PID))
                handshake = replace(handshake, auth=request.auth, pid=pid)
                if request.pid:
                    self._recovering.add(session)
                    session.do(self._recover, session, handshake, request)
                    return
        sid = self._join(session, handshake.pid)
        if handshake.protocol == 3 or session.inbox is not None:  # version 3 is still being opened
            session.do(self._run_on_connect, session, sid, handshake)
        elif (awaitable := self._call_on_connect(session, sid, handshake)) is not None:
            session.do(self._await_on_connect, session, awaitable)

    def end_silently(self, session: EngineSession) -> None:
        """End a session without a call of ``on_disconnect``. Its id in the main namespace is free at once."""
        if session.sid is not None:
            self._manager.remove(session.sid, "/")
        session.end(Reason.TAKEN_OVER)

    async def _recover(self, session: EngineSession, handshake: Handshake, request: RecoveryRequest) -> None:
        """Connect a client that came back, with what the hook returns for it.

        The packets that the client sends meanwhile wait, and its time to connect goes on.
        """
        restored = None
        try:
            restored = await self.hooks.on_recover(replace(handshake, pid=""), request.pid, request.offset)
        except Exception:  # a hook may raise anything; the client can begin anew
            self._counts.hook_errors += 1
            log.exception("A handler failed")
        finally:
            self._recovering.discard(session)
        if restored is None:
            if not session.is_open:
                return
            sid = self._join(session, handshake.pid)
        else:
            handshake = replace(handshake, pid=restored.pid or handshake.pid, restored=restored)
            sid = self._join(session, handshake.pid, restored.sid)
        await self._run_on_connect(session, sid, handshake)

    def _join(self, session: EngineSession, pid: str, sid: str = "") -> str:
        """Give a session its id, and answer before any hook can send; a client with a ``pid`` recovers.

        Section "Connection to a namespace": the server answers with a CONNECT that holds the session's id.
        """
        holder = self._manager.table("/").get(sid) if sid else None
        if holder is not None:
            self.end_silently(holder)
        joined = self._manager.add(session, "/", sid)
        assert joined is not None, "a client that has an id does not get here"
        session.connected()
        wire_format = session.wire_format & ~OFFSETS | (RECOVERABLE if pid else 0)
        if wire_format != session.wire_format:
            session.set_format(wire_format)
        protocol = session.handshake.protocol
        session.write(dump_connected(joined, pid, wire_format=wire_format, protocol=protocol))
        return joined

    async def _run_on_connect(self, session: EngineSession, sid: str, handshake: Handshake) -> None:
        awaitable = self._call_on_connect(session, sid, handshake)
        if awaitable is not None:
            await self._await_on_connect(session, awaitable)

    def _call_on_connect(
        self, session: EngineSession, sid: str, handshake: Handshake
    ) -> Awaitable[object] | None:
        """Call the hook; return what must be awaited before the session's first event, if anything."""
        try:
            return self.hooks.on_connect(sid, handshake)
        except Exception:  # a plug-in or hook may raise anything
            self._counts.hook_errors += 1
            log.exception("A handler failed")
            session.end(Reason.FORCED_CLOSE, 1011)
            return None

    async def _await_on_connect(self, session: EngineSession, awaitable: Awaitable[object]) -> None:
        try:
            await awaitable
        except Exception:
            session.end(Reason.FORCED_CLOSE, 1011)
            raise
