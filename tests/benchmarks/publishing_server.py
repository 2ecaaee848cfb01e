"""A server for the load generator alone: it lets clients in, then sends the bytes of a test in pieces."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OPEN_PACKET = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
LET_IN = '42["message","CONNECTED"]'
SEPARATOR = "\x1e"


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Build an unmasked WebSocket frame, with its length in as few bytes as the protocol allows."""
    size = len(payload)
    if size < 126:
        head = bytes([size])
    elif size < 65536:
        head = b"\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + head + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read the opcode and the unmasked payload of a client's frame."""
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client's frame is masked"
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(size)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class PublishingServer:
    """Lets every client in, then waits for :meth:`publish`."""

    def __init__(self, socketio: bool) -> None:
        self.port = 0
        self.shown: list[str] = []
        """The credentials that clients have shown, in order of arrival."""
        self.answers: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        """The frames and posts that clients send once they are in."""
        self._socketio = socketio
        self._published = asyncio.Event()
        self._content: Callable[[], list[bytes]] = list
        self._step = 1 << 16
        self._closes = self._then_close = False

    def publish(
        self, content: Callable[[], list[bytes]], step: int = 1 << 16, *, then_close: bool = False
    ) -> None:
        """Write the joined parts to every client, ``step`` bytes at a time."""
        self._content, self._step, self._then_close = content, step, then_close
        self._published.set()

    def close_clients(self) -> None:
        self._closes = True
        self._published.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "transport=polling" in request:
                await self._serve_polling(reader, writer)
            else:
                await self._serve_websocket(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve_websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        if self._socketio:
            writer.write(frame(OPEN_PACKET.encode()))
            assert await read_frame(reader) == (TEXT, b"40")
            writer.write(frame(b'40{"sid":"def"}'))
            self.shown.append((await read_frame(reader))[1].decode())
            writer.write(frame(LET_IN.encode()))
        await self._published.wait()
        if self._closes:
            return
        content = b"".join(self._content())
        for start in range(0, len(content), self._step):
            writer.write(content[start : start + self._step])
            await writer.drain()
            await asyncio.sleep(0)  # lets the piece go out alone
        while not self._then_close:
            self.answers.put_nowait(await read_frame(reader))

    async def _serve_polling(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one client, in the order in which the generator makes them."""
        answer(writer, OPEN_PACKET)
        assert await self._post(reader, writer) == "40"
        await self._poll(reader)
        answer(writer, '40{"sid":"def"}')
        self.shown.append(await self._post(reader, writer))
        await self._poll(reader)
        answer(writer, LET_IN)
        await self._poll(reader)
        await self._published.wait()
        if self._closes:
            return
        packets = [part.decode() for part in self._content()]
        answer(writer, SEPARATOR.join([*packets, "2"]))
        self.answers.put_nowait((TEXT, (await self._post(reader, writer)).encode()))
        await self._poll(reader)
        await reader.read()

    async def _poll(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET "), head
        assert b"sid=abc" in head

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("POST "), head
        assert "sid=abc" in head
        size = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
        body = (await reader.readexactly(size)).decode()
        answer(writer, "ok")
        return body


def answer(writer: asyncio.StreamWriter, text: str) -> None:
    """Write an HTTP response in two pieces, cut in the middle of its head."""
    body = text.encode()
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    writer.write(whole[:40])
    writer.write(whole[40:])


@asynccontextmanager
async def publishing_server(*, socketio: bool = True) -> AsyncIterator[PublishingServer]:
    server = PublishingServer(socketio)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        try:
            yield server
        finally:
            server.close_clients()  # from 3.12 on, the end of the block waits for every connection's


def credentials(token: str) -> str:
    """Read the packet with which a client shows its token."""
    return "42" + json.dumps(["message", json.dumps({"token": token, "channels": ["bench"]})])
