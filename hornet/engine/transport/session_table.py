"""The Engine.IO sessions of one node: their opening, their shared parts, and the counts of their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from hornet.core.limits import AddressLimiter
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.ids import generate_ids
from hornet.engine.transport.newcomers import Newcomers
from hornet.engine.transport.polling import PollingTransport
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.timer_wheel import TimerWheel
from hornet.engine.transport.transport import Transport
from hornet.engine.types import Handshake, Reason
from hornet.engine.wire.payloads import Packet


class SessionListener(Protocol):
    """The Socket.IO server, as the Engine.IO sessions below it see it."""

    def on_opened(self, session: EngineSession) -> None:
        """Handle a new session, before the client has got its first packet."""
        ...

    def on_message(self, session: EngineSession, message: Packet) -> None:
        """Handle a message: the text behind the type digit, or binary.

        Raises:
            Malformed: the message breaks the protocol of Socket.IO. The session is then closed.
        """
        ...

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        """Handle the end of a session; called once for each."""
        ...


class PendingConnection(Protocol):
    """A connection whose first request has not come yet."""

    def abort(self) -> None:
        """Cut the connection."""
        ...


def tick_s(settings: EngineSettings) -> float:
    """Return how exact timeouts are: a fortieth of the shortest one, between 5 ms and a quarter of a second.

    The coarser the tick, the more sessions are pinged in one turn of the loop, and the less a turn costs
    each of them.
    """
    shortest = min(
        settings.ping_interval_s,
        settings.ping_timeout_s,
        settings.connect_timeout_s,
        settings.upgrade_timeout_s,
    )
    return max(0.005, min(0.25, shortest / 40))


class SessionTable:
    """All Engine.IO sessions of one node, by their id, and all that they share."""

    def __init__(
        self, *, settings: EngineSettings, counts: Counts, leases: WriteLeases, listener: SessionListener
    ) -> None:
        self.settings = settings
        self.counts = counts
        self.leases = leases
        self.wheel = TimerWheel(tick_s(settings))
        self.sessions: dict[str, EngineSession] = {}
        """Each session whose id a client may still name, by that id."""
        self.addresses = AddressLimiter()
        """How many sessions each client address has."""
        self.newcomers = Newcomers(settings)
        """The sessions and connections that have shown no valid credential yet."""
        self.closing: set[Transport] = set()
        """WebSockets on their way out. Most of them wait for the client's Close frame."""
        self.pending: set[PendingConnection] = set()
        """Connections that have not sent a whole request yet."""
        self.is_accepting = False
        """Whether new sessions may open; see ``start_accepting``."""
        self.on_message = listener.on_message  # the method itself, which saves each message a call
        self._listener = listener
        self._all_closed: asyncio.Event | None = None
        self._ids: Iterator[str] = generate_ids()
        can_upgrade = {"polling", "websocket"} <= set(settings.transports)
        self._upgrades = {"polling": '["websocket"]' if can_upgrade else "[]", "websocket": "[]"}
        self.configure(settings)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on. Clients that are connected keep their timings."""
        self.settings = settings
        self.newcomers.configure(settings)
        self._timings = (
            f'"pingInterval":{round(settings.ping_interval_s * 1000)},'
            f'"pingTimeout":{round(settings.ping_timeout_s * 1000)},'
            f'"maxPayload":{settings.max_payload_bytes}'
        )

    def start_accepting(self) -> None:
        """Let new sessions open from now on."""
        self.is_accepting = True

    def stop_accepting(self) -> None:
        """Refuse new sessions from now on (503); those that are there stay."""
        self.is_accepting = False

    def generate_id(self) -> str:
        """Return a new id, for a session or for its place in a namespace."""
        return next(self._ids)

    def open(self, handshake: Handshake, wire_format: int, transport: str) -> EngineSession:
        """Open a session, in whose queue are the packets that tell the client so.

        The first packet is "open", with the session's id and timings (Engine.IO protocol, "Handshake",
        https://github.com/socketio/engine.io-protocol).
        """
        eio_sid = next(self._ids)
        opening = f'0{{"sid":"{eio_sid}","upgrades":{self._upgrades[transport]},{self._timings}}}'
        session = EngineSession(
            owner=self,
            transport=PollingTransport(self, opening),
            eio_sid=eio_sid,
            handshake=handshake,
            newcomer=self.newcomers.enter(handshake.address),
            wire_format=wire_format,
            now=asyncio.get_running_loop().time(),
        )
        self.sessions[eio_sid] = session
        self.counts.opened[f"{transport}/{handshake.protocol}"] += 1
        self._listener.on_opened(session)
        return session

    def find(self, eio_sid: str) -> EngineSession | None:
        """Return the session of that id; None for one whose time is over, though no timer has noticed yet."""
        session = self.sessions.get(eio_sid)
        if session is not None and session.is_due(now := asyncio.get_running_loop().time()):
            session.on_timeout(now)
            return self.sessions.get(eio_sid)
        return session

    async def stop(self, timeout_s: float) -> None:
        """Wait for clients to answer their Close frames, then cut every connection that is left."""
        if self.closing:
            self._all_closed = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._all_closed.wait()
        for websocket in list(self.closing):
            websocket.abort()
        for connection in list(self.pending):
            connection.abort()
        self.wheel.stop()

    # From the sessions (``SessionOwner``) --------------------------------------------------------

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        self.counts.closed[reason.value] += 1
        if reason is Reason.SLOW_READER:
            self.counts.slow_readers += 1
        self.addresses.leave(session.handshake.address)
        if session.newcomer is not None:
            session.newcomer.leave()
        self._listener.on_ended(session, reason)

    def on_closing(self, transport: Transport) -> None:
        self.closing.add(transport)

    def on_closed(self, transport: Transport) -> None:
        self.closing.discard(transport)
        if not self.closing and self._all_closed is not None:
            self._all_closed.set()

    def on_forgotten(self, session: EngineSession) -> None:
        self.sessions.pop(session.eio_sid, None)
