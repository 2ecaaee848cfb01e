"""A minimal Socket.IO 5 client over WebSocket, to see exactly what the server sends."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp

from hornet.core.history import parse_position
from tests.e2e.waiting import DEADLINE_S

WAIT_S = DEADLINE_S


class Client:
    """A client that connects on entry. Events wait in order until :meth:`event` takes them."""

    def __init__(self, url: str, auth: object, query: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = f"{url}socket.io/?EIO=4&transport=websocket{query}"
        self._auth = auth
        self._headers = headers
        self.sid = ""
        self.opened: dict[str, Any] = {}
        self.connected: dict[str, Any] = {}
        self._asked = 0
        self._unread: deque[str] = deque()

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession()
        self._ws = await self._session.ws_connect(self._url, headers=self._headers)
        opened = await self._packet()
        assert opened.startswith("0{")
        self.opened = json.loads(opened[1:])
        await self._ws.send_str("40" + (json.dumps(self._auth) if self._auth is not None else ""))
        connected = await self._packet()
        assert connected.startswith("40{"), connected
        self.connected = json.loads(connected[2:])
        self.sid = self.connected["sid"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        await self._ws.close()
        await self._session.close()

    async def emit(self, *event: object) -> None:
        await self._ws.send_str("42" + json.dumps(event))

    async def ask(self, *event: object) -> Any:
        """Emit an event and return its acknowledgement, or None if that has no argument.

        Events that arrive before it wait for :meth:`event`.
        """
        return await self.answer(await self.begin(*event))

    async def begin(self, *event: object) -> int:
        """Emit an event without waiting. Return the number that :meth:`answer` takes."""
        self._asked += 1
        await self._ws.send_str(f"42{self._asked}{json.dumps(event)}")
        return self._asked

    async def answer(self, number: int) -> Any:
        """Return the acknowledgement of the event with that number, like :meth:`ask`."""
        start = f"43{number}["
        while not (found := [packet for packet in self._unread if packet.startswith(start)]):
            self._unread.append(await self._receive())
        self._unread.remove(found[0])
        answers = json.loads(found[0][len(start) - 1 :])
        return answers[0] if answers else None

    async def show(self, token: str, *channels: str) -> None:
        """Send credentials the classic way."""
        await self.emit("message", json.dumps({"token": token, "channels": channels}))

    async def packet(self) -> str:
        """Return the next packet of Socket.IO, be it an event or an acknowledgement."""
        return await self._packet()

    async def event(self) -> tuple[str, Any]:
        """Return the name and the argument of the next event."""
        packet = await self._packet()
        assert packet.startswith("42"), packet
        name, argument = json.loads(packet[2:])
        return name, argument

    async def message(self) -> dict[str, Any]:
        """Return the object in the next classic message."""
        name, text = await self.event()
        assert name == "message"
        body: dict[str, Any] = json.loads(text)
        return body

    async def expect_closed(self) -> None:
        """Check that the server disconnects the session and then closes the connection."""
        assert await self._packet() == "41"
        async with asyncio.timeout(WAIT_S):
            last = await self._ws.receive()
        assert last.data == "1" or last.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    async def closed(self) -> None:
        """Wait until the server closes the connection, and ignore all packets before that."""
        async with asyncio.timeout(WAIT_S):
            async for message in self._ws:
                if message.data == "2":
                    await self._ws.send_str("3")

    async def _packet(self) -> str:
        return self._unread.popleft() if self._unread else await self._receive()

    async def _receive(self) -> str:
        while True:
            async with asyncio.timeout(WAIT_S):
                packet: str = await self._ws.receive_str()
            if packet == "2":
                await self._ws.send_str("3")
            else:
                return packet


async def refusal(client: Client, event: str, *args: object) -> str:
    """Emit an event that must be refused, and return the code of the refusal."""
    answer = await client.ask(event, *args)
    assert answer.keys() == {"error"}
    assert answer["error"].keys() == {"code", "message"}
    return str(answer["error"]["code"])


def placed(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Check that an answer has a position, and return the rest of it."""
    fields = dict(answer)
    parse_position(fields.pop("position"))
    return fields
