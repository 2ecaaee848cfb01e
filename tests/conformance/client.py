"""A Socket.IO client over any transport, version and parser of the toolkit."""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.conformance.parsers import DefaultParser, MsgpackParser, Parser, SioPacket, Type
from tests.conformance.payloads import Packet
from tests.conformance.polling import Polling
from tests.conformance.transports import Transport
from tests.conformance.websocket import WebSocket


class Client:
    """One session that speaks Socket.IO 5 over Engine.IO 4, or Socket.IO 4 over Engine.IO 3."""

    def __init__(self, transport: Transport, parser: Parser) -> None:
        self.transport, self.parser = transport, parser
        self._ids = itertools.count()

    async def send(self, packet: SioPacket) -> None:
        """Send one packet, its attachments in the same request where there are requests."""
        await self.transport.send(*self.parser.encode(packet))

    async def receive(self) -> SioPacket:
        """Return the next whole packet."""
        while True:
            packet = self.parser.feed(await self.transport.receive())
            if packet is not None:
                return packet

    async def join(self, namespace: str = "/", auth: dict[str, Any] | None = None) -> str | None:
        """Join a namespace and return the session's id there; Engine.IO 3 tells none."""
        if self.transport.eio == 4 or namespace != "/":
            await self.send(SioPacket(Type.CONNECT, namespace, data=auth))
        answer = await self.receive()
        assert (answer.type, answer.namespace) == (Type.CONNECT, namespace.partition("?")[0]), answer
        if self.transport.eio == 3:
            assert answer.data is None, "CONNECT has no body in Socket.IO 4"
            return None
        assert isinstance(answer.data["sid"], str)
        return str(answer.data["sid"])

    async def emit(self, event: str, *args: Any, namespace: str = "/") -> None:
        """Send an event that asks for no answer."""
        await self.send(SioPacket(Type.EVENT, namespace, data=[event, *args]))

    async def ask(self, event: str, *args: Any, namespace: str = "/") -> list[Any]:
        """Send an event and return its acknowledgement, which must come next."""
        ack = next(self._ids)
        await self.send(SioPacket(Type.EVENT, namespace, ack, [event, *args]))
        answer = await self.receive()
        assert (answer.type, answer.namespace, answer.id) == (Type.ACK, namespace, ack), answer
        assert isinstance(answer.data, list)
        return answer.data

    async def event(self, namespace: str = "/") -> list[Any]:
        """Return name and arguments of the next packet, which must be an event without an id."""
        packet = await self.receive()
        assert (packet.type, packet.namespace, packet.id) == (Type.EVENT, namespace, None), packet
        assert isinstance(packet.data, list)
        return packet.data


@dataclass(frozen=True)
class Kind:
    """A kind of client: protocol version, transport, parser."""

    eio: int
    transport: str
    b64: bool = False
    jsonp: int | None = None
    msgpack: bool = False

    def __str__(self) -> str:
        marks = [
            mark for mark, on in (("b64", self.b64), ("jsonp", self.jsonp), ("msgpack", self.msgpack)) if on
        ]
        return "-".join([f"eio{self.eio}", self.transport, *marks])

    def make(self, http: aiohttp.ClientSession, url: str) -> Transport:
        """Make a transport of this kind, not opened yet."""
        if self.transport == "polling":
            return Polling(http, url, self.eio, b64=self.b64, jsonp=self.jsonp)
        return WebSocket(http, url, self.eio, b64=self.b64)

    def parser(self) -> Parser:
        """Make a parser of this kind."""
        return MsgpackParser() if self.msgpack else DefaultParser()


POLLING_4, WEBSOCKET_4 = Kind(4, "polling"), Kind(4, "websocket")
POLLING_3, WEBSOCKET_3 = Kind(3, "polling"), Kind(3, "websocket")
POLLING_3_B64, WEBSOCKET_3_B64 = Kind(3, "polling", b64=True), Kind(3, "websocket", b64=True)
WEBSOCKET_4_B64 = Kind(4, "websocket", b64=True)
JSONP_3 = Kind(3, "polling", b64=True, jsonp=7)
MSGPACK_POLLING, MSGPACK_WEBSOCKET = Kind(4, "polling", msgpack=True), Kind(4, "websocket", msgpack=True)

POLLING = [POLLING_4, POLLING_3, POLLING_3_B64, JSONP_3]
WEBSOCKETS = [WEBSOCKET_4, WEBSOCKET_4_B64, WEBSOCKET_3, WEBSOCKET_3_B64]
PLAIN = [POLLING_4, WEBSOCKET_4, POLLING_3, WEBSOCKET_3]
EVERY = [*POLLING, *WEBSOCKETS]
MSGPACK_WEBSOCKET_B64 = Kind(4, "websocket", b64=True, msgpack=True)
MSGPACK = [MSGPACK_POLLING, MSGPACK_WEBSOCKET, MSGPACK_WEBSOCKET_B64]


class Clients:
    """Makes clients of every kind against one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url
        self._websockets: list[WebSocket] = []

    async def close(self) -> None:
        """Close every WebSocket that is still open."""
        await asyncio.gather(*(websocket.close() for websocket in self._websockets))

    def transport(self, kind: Kind) -> Transport:
        """Make a transport, not opened yet."""
        transport = kind.make(self.http, self.url)
        if isinstance(transport, WebSocket):
            self._websockets.append(transport)
        return transport

    def polling(self, eio: int) -> Polling:
        """Make a plain polling transport, not opened yet."""
        return Polling(self.http, self.url, eio)

    def websocket(self, eio: int) -> WebSocket:
        """Make a plain WebSocket, not opened yet."""
        websocket = WebSocket(self.http, self.url, eio)
        self._websockets.append(websocket)
        return websocket

    async def opened(self, kind: Kind, **query: str) -> Client:
        """Return a client after the Engine.IO handshake, before any Socket.IO packet."""
        transport = self.transport(kind)
        await transport.open(**query)
        return Client(transport, kind.parser())

    async def joined(self, kind: Kind) -> Client:
        """Return a client in the default namespace."""
        client = await self.opened(kind)
        await client.join()
        return client

    async def upgraded(self, eio: int) -> tuple[Client, Polling]:
        """Return a client that moved from polling to a WebSocket, and the polling transport that it left."""
        polling = self.polling(eio)
        opening = await polling.open()
        client = Client(polling, DefaultParser())
        await client.join()
        websocket = self.websocket(eio)
        websocket.opening = opening
        await websocket.connect(sid=opening.sid)
        await websocket.send("2probe")
        assert await websocket.packet() == "3probe"
        await websocket.send("5")
        client.transport = websocket
        return client, polling


def text_of(packets: list[Packet]) -> list[str]:
    """Return the packets, and check that none of them is binary."""
    assert all(isinstance(packet, str) for packet in packets), packets
    return [str(packet) for packet in packets]
