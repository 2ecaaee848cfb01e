"""Polling in both versions: payloads, requests that overlap, cut or too large, and closing."""

import asyncio
import json
import time

import pytest

from tests.conformance.client import POLLING, POLLING_3, POLLING_4, Client, Clients, Kind, text_of
from tests.conformance.differences import node_differs
from tests.conformance.polling import BINARY, TEXT, Polling
from tests.conformance.raw import request_left_open
from tests.conformance.transports import PING, PONG
from tests.e2e.waiting import DEADLINE_S

MANY = 40
TRIES = 5
"""How often a race between two requests may go the other way."""
CLOSING = (["1"], ["6"])
"""How a poll that is pending may end when the server closes the session."""


async def joined(clients: Clients, kind: Kind) -> tuple[Client, Polling]:
    client = await clients.joined(kind)
    assert isinstance(client.transport, Polling)
    return client, client.transport


def beat(polling: Polling) -> str:
    """The heartbeat packet that this client may send."""
    return PONG if polling.eio == 4 else PING


@pytest.mark.parametrize("count", [2, 16, 17, MANY])
@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_post_of_many_packets_is_handled_whole_and_in_order(
    clients: Clients, kind: Kind, count: int
) -> None:
    client, polling = await joined(clients, kind)
    await polling.send(*(f'42["echo",{i}]' for i in range(count)))
    assert [await client.event() for _ in range(count)] == [["echoed", i] for i in range(count)]


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_packets_sent_together_come_in_few_polls_and_in_order(clients: Clients, kind: Kind) -> None:
    _, polling = await joined(clients, kind)
    await polling.send(f'42["count",{MANY}]')
    packets = text_of([packet for _ in range(2) for packet in await polling.poll()])
    assert packets[:MANY] == [f'42["number",{i}]' for i in range(MANY)]


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_chunked_post_is_read(clients: Clients, kind: Kind) -> None:
    client, polling = await joined(clients, kind)
    text = '42["echo","in pieces"]'
    body = text if kind.eio == 4 else f"{len(text)}:{text}"
    headers = {"Content-Type": TEXT, "Transfer-Encoding": "chunked"}
    if kind.jsonp is not None:
        body, headers["Content-Type"] = f"d={body}", "application/x-www-form-urlencoded"
    chunks = "".join(f"1\r\n{letter}\r\n" for letter in body) + "0\r\n\r\n"
    async with (
        request_left_open(polling, "POST", headers, chunks.encode()) as reader,
        asyncio.timeout(DEADLINE_S),
    ):
        assert b" 200 " in await reader.readline()
        assert (await reader.readuntil(b"ok")).endswith(b"\r\n\r\nok")
    assert await client.event() == ["echoed", "in pieces"]


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_second_poll_is_refused_and_closes_the_session(clients: Clients, kind: Kind) -> None:
    _, polling = await joined(clients, kind)
    answers = await asyncio.gather(polling.request("GET"), polling.request("GET"))
    assert sorted(answer.status for answer in answers) == [200, 400]
    assert polling.decode(min(answers, key=lambda answer: answer.status)) in CLOSING
    assert (await polling.request("GET")).code == 1


@node_differs("400 without a body")
async def test_a_second_poll_is_told_the_code(clients: Clients) -> None:
    """Node answers 400 with an empty body."""
    _, polling = await joined(clients, POLLING_4)
    answers = await asyncio.gather(polling.request("GET"), polling.request("GET"))
    assert [answer.code for answer in answers if answer.status == 400] == [3]


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_second_post_is_refused_and_closes_the_session(clients: Clients, kind: Kind) -> None:
    _, polling = await joined(clients, kind)
    async with request_left_open(polling, "POST", {"Content-Type": TEXT, "Content-Length": "9"}, b"4"):
        async with asyncio.timeout(DEADLINE_S):
            while (answer := await polling.post(beat(polling))).status == 200:
                assert answer.body == b"ok"
        assert answer.status == 400
        assert (await polling.request("GET")).code == 1


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_poll_that_the_client_cuts_ends_the_session(clients: Clients, kind: Kind) -> None:
    """The next message would be written to nobody; a heartbeat is not what ends the session."""
    start = time.monotonic()
    _, polling = await joined(clients, kind)
    async with request_left_open(polling, "GET"):
        await polling.send('42["nobody listens"]')
    async with asyncio.timeout(DEADLINE_S):
        while (answer := await polling.post('42["nobody listens"]')).status == 200:
            pass
    assert (answer.status, answer.code) == (400, 1)
    assert time.monotonic() - start < polling.opening.ping_interval_s + polling.opening.ping_timeout_s


MALFORMED: dict[str, str | bytes] = {
    "empty": "",
    "letters": "abc",
    "unknown type": "7",
    "empty packet at the end": "3\x1e",
    "empty packet at the start": "\x1e3",
    "only a separator": "\x1e",
    "not base64": "b!!!",
    "version 3 framing": "2:40",
    "not UTF-8": b"4\xff\xfe",
    "a good packet first": '42["echo",1]\x1e9',
}
MALFORMED_3: dict[str, str | bytes] = {
    "empty": "",
    "no length": "abc",
    "no digits": ":4",
    "negative length": "-1:4",
    "length of letters": "x:4",
    "length too long": "99:40",
    "length too short": "1:40",
    "version 4 framing": "3\x1e3",
    "unknown type": "1:7",
    "no packet after the length": "1:2 2",
}
MALFORMED_BINARY: dict[str, bytes] = {
    "no end of length": b"\x00\x01",
    "length too long": b"\x00\x09\xff2",
    "unknown type": b"\x00\x01\xff9",
    "not UTF-8": b"\x00\x04\xff42\xff\xfe",
}


def params(table: dict[str, str | bytes], *unknown_to_node: str) -> list[object]:
    """Cases of a table, some of which the reference server lets pass."""
    return [
        pytest.param(body, id=name, marks=[node_differs("lets it pass")] if name in unknown_to_node else [])
        for name, body in table.items()
    ]


@pytest.mark.parametrize("body", params(MALFORMED))
async def test_a_malformed_payload_closes_the_session(clients: Clients, body: str | bytes) -> None:
    _, polling = await joined(clients, POLLING_4)
    await polling.push_body(body)
    await polling.closed()


@pytest.mark.parametrize("body", params(MALFORMED_3))
async def test_a_malformed_payload_of_version_3_closes_the_session(
    clients: Clients, body: str | bytes
) -> None:
    _, polling = await joined(clients, POLLING_3)
    await polling.push_body(body)
    await polling.closed()


@pytest.mark.parametrize("body", params({**MALFORMED_BINARY}, "length too long"))
async def test_a_malformed_binary_payload_closes_the_session(clients: Clients, body: bytes) -> None:
    _, polling = await joined(clients, POLLING_3)
    await polling.push_body(body, BINARY)
    await polling.closed()


@pytest.mark.parametrize("kind", [POLLING_4, POLLING_3], ids=str)
async def test_a_payload_up_to_the_limit_is_taken(clients: Clients, kind: Kind) -> None:
    client, polling = await joined(clients, kind)
    limit = (await clients.polling(4).open()).max_payload
    assert limit is not None
    frame = '42["echo",""]' if kind.eio == 4 else '19999:42["echo",""]'
    text = "x" * (limit - len(frame))
    await polling.send(f'42["echo","{text}"]')
    assert await client.event() == ["echoed", text]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", [POLLING_4, POLLING_3], ids=str)
async def test_a_payload_over_the_limit_is_refused(clients: Clients, kind: Kind, chunked: bool) -> None:
    _, polling = await joined(clients, kind)
    limit = (await clients.polling(4).open()).max_payload
    assert limit is not None
    body = b"4" + b"x" * limit
    headers = {"Content-Type": TEXT}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        headers["Content-Length"] = str(len(body))
    async with request_left_open(polling, "POST", headers, body) as reader, asyncio.timeout(DEADLINE_S):
        assert b" 413 " in await reader.readline()


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_close_packet_ends_the_session_and_the_pending_poll(clients: Clients, kind: Kind) -> None:
    _, polling = await joined(clients, kind)
    poll, post = await asyncio.gather(polling.request("GET"), polling.post("1"))
    for _ in range(TRIES):
        if poll.status == 200:
            break
        assert poll.code == 1, "the close packet came first"
        _, polling = await joined(clients, kind)
        poll, post = await asyncio.gather(polling.request("GET"), polling.post("1"))
    assert (post.status, post.body) == (200, b"ok")
    assert polling.decode(poll) == ["6"]
    assert (await polling.request("GET")).code == 1
    assert (await polling.post(beat(polling))).code == 1


@pytest.mark.parametrize("kind", POLLING, ids=str)
async def test_a_session_closed_by_the_server_ends_its_pending_poll_at_once(
    clients: Clients, kind: Kind
) -> None:
    _, polling = await joined(clients, kind)
    start = time.monotonic()
    await polling.send('42["drop"]')
    packets = text_of(await polling.closed())
    assert time.monotonic() - start < polling.opening.ping_interval_s
    assert [packet for packet in packets if packet not in ("41", "1", "6")] == []
    assert "1" in packets or "6" in packets


async def test_answers_are_not_cached_and_not_sniffed_as_a_page(clients: Clients) -> None:
    """A poll is a GET: a cache between client and server would repeat its messages."""
    polling = clients.polling(4)
    answer = await polling.request("GET")
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.body[1:])["sid"]
