"""An Engine.IO WebSocket client, for a fresh session or an upgrade."""

import asyncio
import contextlib
import json

import aiohttp

from tests.conformance import payloads
from tests.conformance.payloads import Packet
from tests.conformance.transports import NOOP, PING, PONG, Opening, parse_opening
from tests.e2e.waiting import DEADLINE_S

_MESSAGE_BYTE = b"\x04"
_OVER = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
)


class WebSocket:
    """A session, or the probe of one, over a WebSocket of either version."""

    def __init__(self, http: aiohttp.ClientSession, url: str, eio: int = 4, *, b64: bool = False) -> None:
        self.eio = eio
        self.query = {"EIO": str(eio), "transport": "websocket"} | ({"b64": "1"} if b64 else {})
        self.opening: Opening
        self._http, self._url, self._b64 = http, url, b64
        self._open_socket: aiohttp.ClientWebSocketResponse | None = None

    async def connect(self, **query: str) -> None:
        """Open the WebSocket itself; nothing is read.

        Raises:
            aiohttp.WSServerHandshakeError: the server refused it with an HTTP answer.
        """
        async with asyncio.timeout(DEADLINE_S):
            self._open_socket = await self._http.ws_connect(
                self._url, params={**self.query, **query}, max_msg_size=0
            )

    async def open(self, **query: str) -> Opening:
        await self.connect(**query)
        head = await self.packet()
        assert isinstance(head, str)
        assert head[0] == "0", head
        self.opening = parse_opening(json.loads(head[1:]))
        return self.opening

    async def send(self, *packets: Packet) -> None:
        for packet in packets:
            if isinstance(packet, str):
                await self._socket.send_str(packet)
            elif self._b64:
                await self._socket.send_str(
                    payloads.encode_v4([packet])
                    if self.eio == 4
                    else payloads.encode_v3_text([packet]).partition(":")[2]
                )
            else:
                await self._socket.send_bytes(packet if self.eio == 4 else _MESSAGE_BYTE + packet)

    async def send_frame(self, frame: bytes) -> None:
        """Send a binary frame as it is."""
        await self._socket.send_bytes(frame)

    async def push(self, *packets: Packet) -> None:
        with contextlib.suppress(aiohttp.ClientConnectionResetError):
            await self.send(*packets)

    async def packet(self) -> Packet:
        """Return the next packet, heartbeats too.

        Raises:
            EOFError: the server closed the WebSocket; carries the close code.
        """
        async with asyncio.timeout(DEADLINE_S):
            message = await self._socket.receive()
        if message.type in _OVER:
            raise EOFError(self._socket.close_code)
        if message.type is aiohttp.WSMsgType.TEXT:
            text = str(message.data)
            return payloads.decode_v3_frame(text) if self.eio == 3 else payloads.decode_v4(text)[0]
        assert message.type is aiohttp.WSMsgType.BINARY, message
        assert not self._b64, "binary frame for a client that asked for base64"
        if self.eio == 4:
            return bytes(message.data)
        assert message.data[:1] == _MESSAGE_BYTE, message.data
        return bytes(message.data[1:])

    async def receive(self) -> Packet:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                packet = await self.packet()
                if packet == PING and self.eio == 4:
                    await self.send(PONG)
                elif packet not in (NOOP, PONG):
                    return packet

    async def closed(self) -> int | None:
        """Return the close code once the server has closed the WebSocket; see ``Transport``."""
        beat = asyncio.create_task(self._beat()) if self.eio == 3 else None
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    await self.receive()
        except EOFError as end:
            return end.args[0]  # type: ignore[no-any-return]  # an exception's args are Any
        finally:
            if beat:
                beat.cancel()

    async def close(self) -> None:
        """Close from the client's side, if it is open."""
        if self._open_socket is not None:
            await self._open_socket.close()

    @property
    def _socket(self) -> aiohttp.ClientWebSocketResponse:
        assert self._open_socket is not None
        return self._open_socket

    async def _beat(self) -> None:
        while True:
            await self.push(PING)
            await asyncio.sleep(0.1)
