"""python-socketio's client manager, over Hornet's room tables and fan-out.

The stock manager only has a table of rooms, so a departure, and the question which rooms a session is in,
walk all rooms of the namespace; and it makes a task for each recipient of an emit. Here rooms and sessions
are indexed both ways, and an emit is one fan-out.

What crosses processes (emit, disconnect, enter and leave, on the Redis channel ``socketio``) is done by the
stock ``AsyncRedisManager``: it calls the methods below for this node. Only its connections are not used;
Hornet has its own.

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
from hornet.engine.socketio.process_requests import parse_manager_request
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import PreparedPacket

log = logging.getLogger(__name__)

Publish = Callable[[str], Awaitable[object]]
"""Sends a text to other processes.

Raises:
    DependencyError: that is not possible now.
"""

Alias = Callable[[str], str]
"""Returns the room that is meant by a name which is no room of the main namespace."""


class RoomManager(socketio.AsyncManager):  # type: ignore[misc]  # the stock class has no types
    """Sessions, namespaces and rooms of this node, by python-socketio's interface.

    A subclass's constructor gives the fan-out and the alias: the stock constructors between the two pass
    nothing on.
    """

    _fanout: FanOut
    _alias: Alias | None

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, RoomTable] = {"/": RoomTable()}
        self.sessions: dict[str, EngineSession] = {}
        self._arriving: set[str] = set()
        self._leaving: set[str] = set()

    def table(self, namespace: str) -> RoomTable:
        """Return the table of a namespace; the first session that joins it makes it."""
        table = self.tables.get(namespace)
        if table is None:
            table = self.tables[namespace] = RoomTable()
        return table

    async def aclose(self) -> None:
        """Undo ``initialize``, which begins nothing here."""

    # Connecting and disconnecting ----------------------------------------------------------------

    def add(self, session: EngineSession, namespace: str, sid: str = "") -> str | None:
        """Give the session an id in a namespace, and return it; None when it has one already.

        It gets ``sid``, which must be free, or else a new one.

        A client of Engine.IO 3 knows its id: it is the engine's for the main namespace, and
        ``<namespace>#<engine's id>`` for another.
        """
        if self.sid_from_eio_sid(session.eio_sid, namespace) is not None:
            return None
        if session.handshake.protocol == 3:
            sid = session.eio_sid if namespace == "/" else f"{namespace}#{session.eio_sid}"
        else:
            sid = sid or self.server.eio.generate_id()
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
        eio_sids: dict[str, str] = {}
        table = self.tables.get(namespace)
        if table is not None:
            for name in _names(room):
                members = table.everyone.members if name is None else table.room(name).members
                eio_sids.update((sid, session.eio_sid) for sid, session in members.items())
        return iter(eio_sids.items())

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
            message = PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace), self._fanout.offset)
            self._fanout.to_room(self._room(table, names[0]), message)
            return
        for name in names:
            members |= self._room(table, name).members
        targets = [(sid, session) for sid, session in members.items() if sid not in skipped]
        if callback is None:
            message = PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace), self._fanout.offset)
            self._fanout.to_sessions([session for _, session in targets], message)
            return
        for sid, session in targets:
            ack = self._generate_ack_id(sid, callback)
            self._fanout.to_session(
                session, PreparedPacket(SioPacket(Type.EVENT, [event, *args], namespace, ack))
            )

    def _room(self, table: RoomTable, name: str | None) -> Room:
        """Return the room that an emit names; None stands for everyone in the namespace."""
        if name is None:
            return table.everyone
        room = table.room(name)
        if not room.members and self._alias is not None and table is self.tables["/"]:
            return table.room(self._alias(name))
        return room

    def take_callback(
        self, session: EngineSession, namespace: str, ack: int | None
    ) -> Callable[..., Any] | None:
        """Return once what waits for the acknowledgement ``ack`` of a client; None where nobody does.

        0 names none: python-socketio keeps its counter there.
        """
        callbacks = self.callbacks.get(self.sid_from_eio_sid(session.eio_sid, namespace))
        return callbacks.pop(ack, None) if callbacks is not None and ack else None

    def _generate_ack_id(self, sid: str, callback: Callable[..., Any]) -> int:
        callbacks = self.callbacks.setdefault(sid, {0: itertools.count(1)})
        ack: int = next(callbacks[0])
        callbacks[ack] = callback
        return ack


class LocalManager(RoomManager):
    """The manager of a node that shares no Redis with other python-socketio processes."""

    def __init__(self, *, fanout: FanOut, alias: Alias | None = None) -> None:
        super().__init__()
        self._fanout = fanout
        self._alias = alias


class RedisManager(socketio.AsyncRedisManager, RoomManager):  # type: ignore[misc]  # the stock class has no types
    """The manager of a node that shares a Redis with other python-socketio processes.

    In the order of the bases, ``RoomManager`` follows the stock pub/sub class: what that class receives it
    does by ``super()``, on this node. The stock manager's own connection is never probed, and is replaced
    after up to a minute; and it sends a PUBLISH again that may have been carried out. So the messages come
    and go by ``receive`` and ``publish`` instead.
    """

    def __init__(self, *, fanout: FanOut, publish: Publish, alias: Alias | None = None) -> None:
        super().__init__()
        self._fanout = fanout
        self._alias = alias
        self._publish_text = publish
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.thread: asyncio.Task[None] | None = None

    def initialize(self) -> None:
        """Begin to carry out what other processes ask for. The stock method also logs a library's name."""
        RoomManager.initialize(self)
        self.thread = self.server.start_background_task(self._thread)

    def receive(self, payload: bytes) -> None:
        """Carry out the request of another process, in the background, after earlier requests.

        Raises:
            ValueError: it is no request of python-socketio.
        """
        self._received.put_nowait(parse_manager_request(payload))

    async def _publish(self, data: dict[str, Any]) -> None:
        try:
            await self._publish_text(self.json.dumps(data))
        except DependencyError as error:
            log.warning("Other processes were not told (%s): %s", data.get("method"), error)

    async def _listen(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self._received.get()

    async def aclose(self) -> None:
        """Receive no more."""
        if self.thread is not None:
            self.thread.cancel()
            await asyncio.wait((self.thread,))


def _names(room: Any) -> Sequence[Any]:
    """Return the rooms that an emit names: a list or tuple is several, and None is everyone."""
    return room if isinstance(room, (list, tuple)) else (room,)
