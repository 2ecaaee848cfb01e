"""An Engine.IO polling client that hides nothing of HTTP."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from tests.conformance import payloads
from tests.conformance.payloads import Packet
from tests.conformance.transports import NOOP, PING, PONG, Opening, parse_opening
from tests.e2e.waiting import DEADLINE_S

TEXT, BINARY = "text/plain;charset=UTF-8", "application/octet-stream"
SCRIPTS = (
    "text/javascript;charset=utf-8",
    "application/javascript;charset=utf-8",
    "text/plain;charset=utf-8",
)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type and its parameters, in lower case and without spaces."""
        return self.headers.get("Content-Type", "").lower().replace(" ", "")

    @property
    def code(self) -> int:
        """The ``code`` of an error body, whose form is checked."""
        assert self.content_type.startswith("application/json"), (self.status, self.body)
        error = json.loads(self.body)
        assert error.keys() - {"reason"} == {"code", "message"}, error
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
        assert error["message"]
        return int(error["code"])


class Polling:
    """A session over HTTP long polling, of either version.

    ``b64`` (Engine.IO 3) asks for binary as text, and does so in the handshake alone, as browsers do;
    ``jsonp`` is the index of a JSONP client.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        eio: int = 4,
        *,
        b64: bool = False,
        jsonp: int | None = None,
    ) -> None:
        self.eio = eio
        self.query = {"EIO": str(eio), "transport": "polling"}
        self._handshake = {"b64": "1"} if b64 else {}
        self.query |= {"j": str(jsonp)} if jsonp is not None else {}
        self.opening: Opening
        self.url = url
        self._http = http
        self._text_only, self._jsonp = b64 or jsonp is not None, jsonp
        self._inbox: deque[Packet] = deque()

    async def open(self, **query: str) -> Opening:
        answer = await self.request("GET", **self._handshake, **query)
        assert answer.status == 200, answer
        head, *rest = self.decode(answer)
        assert isinstance(head, str)
        assert head[0] == "0", head
        self.opening = parse_opening(json.loads(head[1:]))
        self.query["sid"] = self.opening.sid
        self._inbox.extend(rest)
        return self.opening

    async def request(
        self, method: str, body: str | bytes | None = None, content_type: str | None = None, **query: str
    ) -> Answer:
        """Make one HTTP request of this session, and return its answer with any status."""
        headers = {"Content-Type": content_type} if content_type else {}
        data = body.encode() if isinstance(body, str) else body
        async with (
            asyncio.timeout(DEADLINE_S),
            self._http.request(
                method, self.url, params={**self.query, **query}, data=data, headers=headers
            ) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.read())

    async def poll(self) -> list[Packet]:
        """Make one poll that must succeed and return all its packets, heartbeats too."""
        answer = await self.request("GET")
        assert answer.status == 200, answer
        return self.decode(answer)

    async def post(self, *packets: Packet) -> Answer:
        """Post packets in the form that this kind of client uses."""
        if self.eio == 4:
            return await self.request("POST", payloads.encode_v4(packets), TEXT)
        if self._jsonp is not None:
            return await self.request("POST", payloads.encode_jsonp_form(packets), FORM)
        if self._text_only or all(isinstance(packet, str) for packet in packets):
            return await self.request("POST", payloads.encode_v3_text(packets), TEXT)
        return await self.request("POST", payloads.encode_v3_binary(packets), BINARY)

    async def send(self, *packets: Packet) -> None:
        answer = await self.post(*packets)
        assert (answer.status, answer.body) == (200, b"ok"), answer

    async def push(self, *packets: Packet) -> None:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            answer = await self.post(*packets)
            assert answer.status in (200, 400), answer

    async def push_body(self, body: str | bytes, content_type: str = TEXT) -> None:
        """Post a body that the server may refuse or answer by closing."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            answer = await self.request("POST", body, content_type)
            assert answer.status in (200, 400), answer

    async def receive(self) -> Packet:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while not self._inbox:
                    self._inbox.extend(await self.poll())
                packet = self._inbox.popleft()
                if packet == PING and self.eio == 4:
                    await self.send(PONG)
                elif packet not in (NOOP, PONG):
                    return packet

    async def closed(self) -> list[Packet]:
        """Poll until the session is unknown and return what still came; see ``Transport``."""
        came = list(self._inbox)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if self.eio == 3:
                    await self.push(PING)
                answer = await self.request("GET")
                if answer.status != 200:
                    assert answer.status == 400, answer
                    assert answer.code == 1, answer
                    return came
                packets = self.decode(answer)
                if self.eio == 4 and PING in packets:
                    await self.push(PONG)
                came += packets

    def decode(self, answer: Answer) -> list[Packet]:
        """Decode a poll's answer, whose content type must fit its form."""
        if self.eio == 3 and answer.content_type == BINARY:
            assert not self._text_only
            return payloads.decode_v3_binary(answer.body)
        if self._jsonp is not None:
            assert answer.content_type in SCRIPTS, answer
            return payloads.decode_v3_text(payloads.decode_jsonp(answer.body.decode(), self._jsonp))
        assert answer.content_type == "text/plain;charset=utf-8", answer
        decode = payloads.decode_v4 if self.eio == 4 else payloads.decode_v3_text
        return decode(answer.body.decode())
