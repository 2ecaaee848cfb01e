"""python-socketio's client manager, over our room tables and our fan-out.

The stock manager keeps a table of rooms only, so that a departure and "which rooms is this session in"
walk all rooms of the namespace; and it makes a task for each recipient of an emit. Here both ways are
looked up, and an emit is one fan-out. What crosses nodes (emit, disconnect, enter and leave from any
python-socketio process, on channel ``socketio``) is the stock ``AsyncRedisManager``'s: it calls the methods
below for this node. Only its connections are not used; Hornet has its own.

``tests/engine/test_seams.py`` pins the members that are overridden.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import socketio

from hornet.core.errors import DependencyError
from hornet.engine.rooms.broadcast import FanOut
from hornet.engine.rooms.rooms import Room, RoomTable
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import PreparedPacket

log = logging.getLogger(__name__)

Publish = Callable[[str], Awaitable[object]]
"""Tells other processes. It raises a ``DependencyError`` where that is not possible now."""


class LocalManager(socketio.AsyncManager):  # type: ignore[misc]  # the stock class has no types
    """Sessions, namespaces and rooms of this node, by python-socketio's interface."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tables: dict[str, RoomTable] = {"/": RoomTable()}
        self.sessions: dict[str, EngineSession] = {}
        self.fanout: FanOut
        self.alias: Callable[[str], str] | None = None
        """The room of the default namespace that somebody means who emits to one that is empty."""
        self._arriving: set[str] = set()
        self._leaving: set[str] = set()

    def table(self, namespace: str) -> RoomTable:
        """The table of a namespace, made when the first session joins it."""
        table = self.tables.get(namespace)
        if table is None:
            table = self.tables[namespace] = RoomTable()
        return table

    async def aclose(self) -> None:
        """Let go of what ``initialize`` took: here, nothing."""

    # Connecting and disconnecting ----------------------------------------------------------------

    def add(self, session: EngineSession, namespace: str) -> str | None:
        """Give the session an id in a namespace; None when it has one already.

        Version 3 knows its id already: the engine's for the default namespace, else ``<namespace>#<engine
        id>``.
        """
        if self.sid_from_eio_sid(session.eio_sid, namespace) is not None:
            return None
        if session.handshake.protocol == 3:
            sid = session.eio_sid if namespace == "/" else f"{namespace}#{session.eio_sid}"
        else:
            sid = self.server.eio.generate_id()
        if namespace == "/":
            session.sid = sid
        else:
            session.namespace_sids = {**(session.namespace_sids or {}), namespace: sid}
        self.table(namespace).add(sid, session)
        return sid

    def remove(self, sid: str, namespace: str) -> None:
        """Forget an id, its rooms and its callbacks."""
        table = self.tables.get(namespace)
        session = table.get(sid) if table is not None else None
        if table is None or session is None:
            return
        table.remove(sid)
        if namespace == "/":
            session.sid = None
        else:
            assert session.namespace_sids is not None
            session.namespace_sids = {
                n: s for n, s in session.namespace_sids.items() if n != namespace
            } or None
            if not table.everyone.members:
                del self.tables[namespace]
        self.callbacks.pop(sid, None)
        self._arriving.discard(sid)
        self._leaving.discard(sid)

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        session = self.sessions.get(eio_sid)
        sid = self.add(session, namespace) if session is not None else None
        if sid is not None:
            self._arriving.add(sid)
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        self._arriving.discard(sid)
        session = self.table(namespace).get(sid)
        if session is not None:
            session.connected()
        return sid

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        return sid in self._arriving

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        table = self.tables.get(namespace)
        if sid is None or table is None or sid not in table:
            return False
        return sid not in self._arriving and sid not in self._leaving

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._leaving.add(sid)
        return self.eio_sid_from_sid(sid, namespace)

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self.remove(sid, namespace)

    # Looking up ----------------------------------------------------------------------------------

    def get_namespaces(self) -> Iterable[str]:
        return self.tables.keys()

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        found: dict[str, str] = {}
        table = self.tables.get(namespace)
        if table is not None:
            for name in _names(room):
                members = table.everyone.members if name is None else table.room(name).members
                found.update((sid, session.eio_sid) for sid, session in members.items())
        return iter(found.items())

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        session = self.sessions.get(eio_sid)
        if session is None:
            return None
        if namespace == "/":
            return session.sid
        return session.namespace_sids.get(namespace) if session.namespace_sids is not None else None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        table = self.tables.get(namespace)
        session = table.get(sid) if table is not None else None
        return session.eio_sid if session is not None else None

    def is_sid_room(self, namespace: str, room: str) -> bool:
        table = self.tables.get(namespace)
        return table is not None and room in table

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        table = self.tables.get(namespace)
        return [sid, *table.rooms_of(sid)] if table is not None and sid in table else []

    # Rooms ---------------------------------------------------------------------------------------

    def basic_enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        table = self.tables.get(namespace)
        if table is None or sid not in table:
            raise ValueError("sid is not connected to requested namespace")
        if room in table:
            if room == sid:
                return
            raise ValueError("cannot enter a sid room")
        table.enter(sid, room)

    def basic_leave_room(self, sid: str, namespace: str, room: str) -> None:
        table = self.tables.get(namespace)
        if table is not None:
            table.leave(sid, room)

    def basic_close_room(self, room: str, namespace: str) -> None:
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        table = self.tables.get(namespace)
        for sid in list(table.members(room)) if table is not None else ():
            self.basic_leave_room(sid, namespace, room)

    # Emitting ------------------------------------------------------------------------------------

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        namespace = namespace or "/"
        table = self.tables.get(namespace)
        if table is None:
            return
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        names = list(_names(to or room))
        skipped = set(skip_sid) if isinstance(skip_sid, (list, tuple, set)) else {skip_sid}
        members: dict[str, EngineSession] = {}
        if len(names) == 1 and callback is None and skipped == {None}:
            found = self._room(table, names[0])
            self.fanout.to_room(found, PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace)))
            return
        for name in names:
            members |= self._room(table, name).members
        targets = [(sid, session) for sid, session in members.items() if sid not in skipped]
        if callback is None:
            message = PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace))
            self.fanout.to_sessions([session for _, session in targets], message)
            return
        for sid, session in targets:
            ack = self._generate_ack_id(sid, callback)
            self.fanout.to_session(
                session, PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace, ack))
            )

    def _room(self, table: RoomTable, name: str | None) -> Room:
        """The room that an emit names; None is everybody."""
        if name is None:
            return table.everyone
        found = table.room(name)
        if not found.members and self.alias is not None and table is self.tables["/"]:
            return table.room(self.alias(name))
        return found

    def _generate_ack_id(self, sid: str, callback: Callable[..., Any]) -> int:
        callbacks = self.callbacks.setdefault(sid, {0: itertools.count(1)})
        ack: int = next(callbacks[0])
        callbacks[ack] = callback
        return ack


class RedisManager(socketio.AsyncRedisManager, LocalManager):  # type: ignore[misc]  # the stock class has no types
    """The same, and told by other python-socketio processes on the same Redis, and telling them.

    In the order of bases, ``super()`` of the stock pub/sub class is ``LocalManager``: what it hears is
    done here. The stock manager's own connection is never probed, and takes up to a minute to be replaced;
    and a PUBLISH that may have been carried out is sent twice. So how to hear and tell is for who made this.
    """

    def __init__(self, publish: Publish) -> None:
        super().__init__()
        self._tell = publish
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.thread: asyncio.Task[None] | None = None

    def hear(self, payload: bytes) -> None:
        """Do what another process asks for, after what was heard before."""
        self._heard.put_nowait(payload)

    async def _publish(self, data: dict[str, Any]) -> None:
        try:
            await self._tell(self.json.dumps(data))
        except DependencyError as error:
            log.warning("Other processes were not told (%s): %s", data.get("method"), error)

    async def _listen(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._heard.get()

    async def aclose(self) -> None:
        """Listen no more."""
        if self.thread is not None:
            self.thread.cancel()
            await asyncio.wait((self.thread,))


def _names(room: Any) -> Sequence[Any]:
    """The rooms that an emit names: None is everybody, a list or tuple is several."""
    return room if isinstance(room, (list, tuple)) else (room,)
