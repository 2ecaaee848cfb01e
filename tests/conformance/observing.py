"""Raw sockets to a server, and what it does with an input, in a form in which two servers can be compared."""

import asyncio
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.recording import Recorder
from tests.e2e.waiting import DEADLINE_S

WEBSOCKET_HEADERS = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
MARKER, MARKER_ANSWER = '42990["ask","end"]', '43990["end"]'
"""An event that is answered after all that was sent before it."""

TURNS = 3

_ID = re.compile(r'(\\?"sid\\?":\\?")[^"\\]*')
_TIMINGS = re.compile(r',\\?"(?:pingInterval|pingTimeout|maxPayload)\\?":[0-9]+')
_NAMES = {0: "continuation", 1: "text", 2: "binary", 9: "ping", 10: "pong"}


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def shown(self) -> str:
        """Return status, type and content, without what differs from one session to the next.

        Node answers some requests of a session by a bare status.
        """
        if self.status != 200:
            try:
                return f"{self.status} code {json.loads(self.body)['code']}"
            except (ValueError, KeyError, TypeError):
                return f"{self.status}"
        content_type = self.headers.get("content-type", "").partition(";")[0]
        return f"200 {content_type} {without_ids(self.body.decode('utf-8', 'backslashreplace'))}"


def without_ids(text: str) -> str:
    """Replace the session's id, and leave out what else may differ in an open packet.

    Hornet sends version 3 the CONNECT in the same response, Node in the next one.
    """
    shown = _TIMINGS.sub("", _ID.sub(r"\1...", text))
    return (
        re.sub(r"\b[0-9]+(?=:0\{)|2:40(?=$|\")", "", shown) if shown != text and "upgrades" in text else shown
    )


@dataclass
class Observation:
    """What a server did in one case, in order."""

    server: Recorder
    case: str
    done: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        self.done.append(what)

    def query(self, eio: int, transport: str, *more: str) -> str:
        return "&".join([f"EIO={eio}", f"transport={transport}", f"case={self.case}", *more])

    async def request(
        self,
        method: str,
        target: str,
        *headers: str,
        body: bytes = b"",
        version: str = "1.1",
        host: str = "here",
    ) -> Response:
        """Send one request on a connection of its own, as it is given."""
        lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers]
        if body and not any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
        try:
            async with asyncio.timeout(DEADLINE_S):
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
                return await _read_response(reader, method)
        finally:
            writer.close()

    async def open_polling(self, eio: int, *more: str, join: bool = True) -> str:
        """Open a session by polling and return its id."""
        response = await self.request("GET", f"/socket.io/?{self.query(eio, 'polling', *more)}")
        session = _sid_of(response)
        assert session is not None, response
        if join and eio == 4:
            await self.post(session, eio, b"40")
            await self.poll(session, eio)
        return session

    async def end_polling(self, response: Response) -> None:
        """End the session that a response opened, if it did."""
        sid = _sid_of(response)
        if sid is not None:
            eio = 3 if b":0{" in response.body else 4
            await self.post(sid, eio, b"1:1" if eio == 3 else b"1")

    async def post(self, sid: str, eio: int, body: bytes, *headers: str, more: str = "") -> Response:
        if not any(line.lower().startswith("content-type") for line in headers):
            headers = ("Content-Type: text/plain;charset=UTF-8", *headers)
        target = f"/socket.io/?EIO={eio}&transport=polling&sid={sid}{more}"
        return await self.request("POST", target, *headers, body=body)

    async def poll(self, sid: str, eio: int, more: str = "") -> Response:
        return await self.request("GET", f"/socket.io/?EIO={eio}&transport=polling&sid={sid}{more}")

    async def poll_to_the_end(self, sid: str, eio: int, more: str = "") -> None:
        """Post the marker, and poll until it is answered or the session is over; then end the session."""
        marker = MARKER if eio == 4 else f"{len(MARKER)}:{MARKER}"
        body = f"d={marker}" if "&j=" in more else marker
        await self.post(sid, eio, body.encode(), more=more)
        while True:
            response = await self.poll(sid, eio, more)
            if response.status != 200:
                self.add(response.shown)
                return
            self.add_polled(response, eio)
            if b"43990" in response.body:
                break
        await self.post(sid, eio, b"1" if eio == 4 else b"1:1")

    def add_polled(self, response: Response, eio: int) -> None:
        """Note the packets of a poll.

        Hornet sends version 3 its CONNECT with the open packet, Node later; and a session that ends may still
        answer a poll by a noop and a close packet.
        """
        shown = response.shown if eio == 4 else response.shown.replace("2:40", "", 1)
        if shown not in ("200 text/plain ", "200 text/plain 6\x1e1", "200 text/plain 1:61:1"):
            self.add(shown)

    async def websocket(self, target: str, *headers: str) -> "RawWebSocket | None":
        """Open a WebSocket; None, and the answer noted, if the server refuses it."""
        reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
        lines = [f"GET {target} HTTP/1.1", "Host: here", *(headers or WEBSOCKET_HEADERS)]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(DEADLINE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                response = await _read_response(reader, "GET", head)  # Node's refusals have no code here
                self.add(str(response.status) if response.status >= 400 else response.shown)
                await self.end_polling(response)
                writer.close()
                return None
        return RawWebSocket(reader, writer)


def _sid_of(response: Response) -> str | None:
    sid = re.search(rb'\\?"sid\\?":\\?"([^"\\]*)', response.body)
    return sid[1].decode() if sid else None


async def _read_response(reader: asyncio.StreamReader, method: str, head: bytes = b"") -> Response:
    try:
        while True:
            head = head or await reader.readuntil(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            status = int(status_line.split(" ")[1])
            if status != 100:
                break
            head = b""
    except asyncio.IncompleteReadError as error:
        return Response(0, {}, error.partial)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if method == "HEAD" or status in (101, 204):
        body = b""
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.read()
    if headers.get("content-encoding") == "gzip":
        body = zlib.decompress(body, 31)
    return Response(status, headers, body)


def masked(first: int, payload: bytes, *, width: int | None = None, mask: bool = True) -> bytes:
    """Return a client's frame; ``width`` is 2 or 8 for a length in more bytes than it needs."""
    size = len(payload)
    if width is None:
        width = 0 if size < 126 else 2 if size < 65_536 else 8
    head = bytes([first, (0x80 if mask else 0) | {0: size, 2: 126, 8: 127}[width]])
    head += size.to_bytes(width, "big") if width else b""
    return head + (b"\0\0\0\0" if mask else b"") + payload


class RawWebSocket:
    """A WebSocket of the client, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, packet: str | bytes) -> None:
        data = packet if isinstance(packet, bytes) else packet.encode("utf-8", "surrogatepass")
        self.send_raw(masked(0x82 if isinstance(packet, bytes) else 0x81, data))

    def send_raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def frame(self) -> str:
        """Return the next frame as text; the last one is ``close <code>``, or ``cut`` without one."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                first, second = await self._reader.readexactly(2)
                size = second & 0x7F
                if size >= 126:
                    size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
                payload = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return "cut"
        opcode = first & 0x0F
        if opcode == 8:
            return f"close {int.from_bytes(payload[:2], 'big')}" if payload else "close"
        if opcode == 1:
            return without_ids(payload.decode())
        return f"{_NAMES[opcode]} {payload.hex()}"

    async def read_to_the_end(
        self, observed: Observation, marker: str = MARKER_ANSWER, *, with_code: bool = False
    ) -> bool:
        """Note all frames up to the answer to the marker; True if the server closed instead.

        Node closes a session without a code. Only faults of frames have one.
        """
        while True:
            frame = await self.frame()
            observed.add("close" if frame.startswith("close") and not with_code else frame)
            if frame == marker:
                return False
            if frame == "cut" or frame.startswith("close"):
                return True

    async def is_open_after_turns(self, observed: Observation) -> bool:
        """Note all frames until the server has had some turns of its event loop; False if it closed."""
        for _ in range(TURNS):
            self.send_raw(masked(0x89, b"turn"))
            while (frame := await self.frame()) != "pong 7475726e":
                observed.add("close" if frame.startswith("close") else frame)
                if frame == "cut" or frame.startswith("close"):
                    return False
        return True

    async def leave(self) -> None:
        """Close, and wait until the server has closed too."""
        try:
            self.send_raw(masked(0x88, b"\x03\xe8"))
            async with asyncio.timeout(DEADLINE_S):
                await self._reader.read()
        except ConnectionError:
            pass
        finally:
            self._writer.close()


def comparable(received: list[Any]) -> list[str]:
    """Return what an application received as texts; numbers compare by their value, keys in any order.

    Ends are left out: their reasons have other names, and Node may tell of an event after them.
    """
    shown = [what for what in received if what[0] != "left"]
    for what in shown:
        if what[0] == "event" and what[2]:
            what[2][0] = str(what[2][0])  # JavaScript looks handlers up by the text of the name
    return [json.dumps(_as_javascript(what), sort_keys=True, ensure_ascii=True) for what in shown]


def _as_javascript(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else None
    if isinstance(value, list):
        return [_as_javascript(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_javascript(item) for key, item in value.items()}
    return value
