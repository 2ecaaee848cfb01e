"""The Socket.IO engine behind one facade: sessions, rooms, and the fan-out to them.

python-socketio's server speaks the protocol; its Redis manager carries what crosses nodes (disconnect,
join, and emits of other python-socketio processes). What a backend publishes does not go through the
manager: each node hears it itself and fans it out to its own sessions here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import socketio
from aiohttp import web
from engineio import packet as eio_packet
from socketio import packet as sio_packet

from hornet.core.addresses import client_address, parse_networks
from hornet.core.messages import Delivery, Outgoing
from hornet.engine.settings import EngineSettings
from hornet.engine.types import Handshake, Hooks

NAMESPACE = "/"

# What the libraries log at INFO quotes payloads, and so tokens.
library_log = logging.getLogger("hornet.engine.library")
library_log.setLevel(logging.ERROR)


class Engine:
    """One node's Socket.IO server. Every method is for the event loop's thread."""

    def __init__(
        self,
        settings: EngineSettings,
        hooks: Hooks,
        *,
        redis_url: str | None = None,
        redis_options: Mapping[str, object] | None = None,
    ) -> None:
        self._settings = settings
        self._hooks = hooks
        self._trusted = parse_networks(settings.trusted_proxies)
        self._delivery: dict[str, Delivery] = {}
        manager: Any = None
        if redis_url is not None:
            manager = socketio.AsyncRedisManager(
                redis_url, redis_options=dict(redis_options or {}), logger=library_log
            )
        origins: Any = "*" if "*" in settings.allowed_origins else list(settings.allowed_origins)
        self.sio: Any = socketio.AsyncServer(
            async_mode="aiohttp",
            client_manager=manager,
            async_handlers=False,  # one event of a client at a time, in order
            always_connect=True,  # what on_connect sends must come after the CONNECT packet
            logger=library_log,
            engineio_logger=library_log,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            max_http_buffer_size=settings.max_payload_bytes,
            http_compression=settings.compression,
            cors_allowed_origins=origins,
            cors_credentials=False,
        )
        self.sio.on("connect", self._on_connect)
        self.sio.on("*", self._on_event)
        self.sio.on("message", self._on_message)
        self.sio.on("disconnect", self._on_disconnect)

    @property
    def sessions(self) -> int:
        return len(self._delivery)

    def attach(self, app: web.Application) -> None:
        """Serve ``settings.path`` from this application."""
        self.sio.attach(app, self._settings.path)

    async def start(self) -> None:
        """Ready the manager, so that other nodes are heard before the first client comes."""
        if not self.sio.manager_initialized:
            self.sio.manager_initialized = True
            self.sio.manager.initialize()

    async def stop(self) -> None:
        """Close every session's transport and end the background work."""
        for sid in list(self._delivery):
            await self.close(sid, final=False)
        await self.sio.shutdown()
        thread = getattr(self.sio.manager, "thread", None)
        if thread is not None:
            thread.cancel()
        client = getattr(self.sio.manager, "redis", None)
        if client is not None:
            await client.aclose()

    def set_delivery(self, sid: str, delivery: Delivery) -> None:
        if sid in self._delivery:
            self._delivery[sid] = delivery

    def enter(self, sid: str, room: str) -> bool:
        """Put a session into a room. True when it is the room's first member on this node."""
        first = not self.members(room)
        self.sio.manager.basic_enter_room(sid, NAMESPACE, room)
        return first

    def leave(self, sid: str, room: str) -> bool:
        """Take a session out of a room. True when the room is empty afterwards."""
        if sid in self.members(room):
            self.sio.manager.basic_leave_room(sid, NAMESPACE, room)
        return not self.members(room)

    def members(self, room: str) -> Collection[str]:
        """The session ids in a room of this node; a view that changes with the room."""
        rooms: Any = self.sio.manager.rooms.get(NAMESPACE, {})
        members: Collection[str] = rooms.get(room, {}).keys()
        return members

    def send(self, sid: str, event: str, *args: object) -> None:
        """Queue one event for one session; nothing happens when it is gone."""
        self._queue(sid, _encode(event, args))

    def tell(self, sid: str, message: Outgoing) -> None:
        """Queue one message for one session, in the form it wants."""
        self._queue(sid, encode_message(message, self._delivery.get(sid, Delivery.MESSAGE)))

    def fan_out(
        self,
        room: str,
        message: Outgoing,
        *,
        only: Collection[str] | None = None,
        skip: Collection[str] = (),
    ) -> int:
        """Queue ``message`` for the room's members, in the form each wants. Returns how many.

        ``only`` narrows the room to some session ids, ``skip`` takes some out.
        """
        members = self.members(room)
        chosen = members if only is None else [sid for sid in only if sid in members]
        forms: dict[Delivery, list[Any]] = {}
        count = 0
        for sid in list(chosen):
            if sid in skip:
                continue
            delivery = self._delivery.get(sid)
            if delivery is None:
                continue
            packets = forms.get(delivery)
            if packets is None:
                packets = forms[delivery] = encode_message(message, delivery)
            count += self._queue(sid, packets)
        return count

    async def close(self, sid: str, *, final: bool) -> None:
        """End a session. ``final``: a stock client is told not to come back; else it reconnects by itself."""
        eio_sid = self.sio.manager.eio_sid_from_sid(sid, NAMESPACE)
        if final:
            await self.sio.disconnect(sid, ignore_queue=True)
        if eio_sid is not None:
            await self.sio.eio.disconnect(eio_sid)

    def _queue(self, sid: str, packets: list[Any]) -> bool:
        eio_sid = self.sio.manager.eio_sid_from_sid(sid, NAMESPACE)
        socket = self.sio.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            return False
        for packet in packets:
            socket.queue.put_nowait(packet)
        return True

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        request: web.Request = environ["aiohttp.request"]
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        peer = request.remote or ""
        self._delivery[sid] = Delivery.MESSAGE
        handshake = Handshake(
            auth, query, request.headers, client_address(peer, request.headers, self._trusted), protocol=4
        )
        await self._hooks.on_connect(sid, handshake)

    async def _on_message(self, sid: str, *args: object) -> object:
        return await self._hooks.on_event(sid, "message", args)

    async def _on_event(self, event: str, sid: str, *args: object) -> object:
        return await self._hooks.on_event(sid, event, args)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        self._delivery.pop(sid, None)
        await self._hooks.on_disconnect(sid, reason)


def encode_message(message: Outgoing, delivery: Delivery) -> list[Any]:
    """The Engine.IO packets of one message in one form."""
    if delivery is Delivery.EVENT:
        name, argument = message.event()
        return _encode(name, (argument,))
    return _encode("message", (message.message_text(),))


def _encode(event: str, args: Sequence[object]) -> list[Any]:
    encoded = sio_packet.Packet(sio_packet.EVENT, data=[event, *args], namespace=NAMESPACE).encode()
    parts = encoded if isinstance(encoded, list) else [encoded]
    return [eio_packet.Packet(eio_packet.MESSAGE, data=part) for part in parts]
