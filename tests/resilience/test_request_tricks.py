"""Headers, bodies and paths by which a request pretends to be another, to Hornet or to a proxy before it."""

import asyncio
import json
import re
from contextlib import suppress
from itertools import product

import pytest

from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end
from tests.resilience.raw import UPGRADE, WAIT_S, ask, raw, status

POLLING = b"/socket.io/?EIO=4&transport=polling"
WEBSOCKET = b"/socket.io/?EIO=4&transport=websocket"
HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


async def open_polling(watched: Watched) -> bytes:
    async with watched.http.get(f"{watched.server.url}{POLLING.decode()}") as response:
        return str(json.loads((await response.text())[1:])["sid"]).encode()


async def post(watched: Watched, headers: bytes, body: bytes = b"40", version: bytes = b"1.1") -> int:
    """How a POST with these headers is answered, of a session that is there."""
    path = POLLING + b"&sid=" + await open_polling(watched)
    return await status(watched, b"POST %s HTTP/%s\r\n%s%s\r\n%s" % (path, version, HOST, headers, body))


BODIES: list[tuple[bytes, bytes]] = [
    (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"40"),
    (b"Content-Length: 2\r\nContent-Length: 3\r\n", b"40"),
    (b"Content-Length: 2, 2\r\n", b"40"),
    (b"Content-Length: +2\r\n", b"40"),
    (b"Content-Length: 0x2\r\n", b"40"),
    (b"Content-Length : 2\r\n", b"40"),
    (b"Content-Length: 2\r\n" + CHUNKED, b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
    (CHUNKED + CHUNKED, b"0\r\n\r\n"),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    (CHUNKED, b"FFFFFFFFFFFFFFFFF\r\n40"),
    (CHUNKED, b"-2\r\n40\r\n0\r\n\r\n"),
    (CHUNKED, b"2\r\n4042\r\n0\r\n\r\n"),
    (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"40"),
    (b"Content-Encoding: br\r\nContent-Length: 2\r\n", b"40"),
    (b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n", b"40"),
    (b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n", b"40"),
    (b"Content-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", b"40"),
]


async def test_a_body_of_two_lengths_or_of_none_is_refused(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    honest = await watched.connect(await watched.token())
    for headers, body in BODIES:
        # 0 where the connection is cut with most of what was sent unread
        assert await post(watched, headers, body) in (400, 0), (headers, body[:40])
    assert await post(watched, CHUNKED, b"0\r\n\r\n", version=b"1.0") == 400
    assert await post(watched, b"Content-Length: 2\r\n") == 200, "what is right passes"
    await watched.publish(END)
    assert await heard_until_end(honest) == []
    assert await watched.metric('hornet_malformed_packets_total{fault="bad_http"}') >= 10


async def test_a_poll_has_no_body_which_would_wait_with_it(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    async with raw(watched) as (reader, writer):
        poll = b"GET /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\n" + HOST
        writer.write(poll % b"" + b"\r\n")
        opened = await reader.readuntil(b"}")
        sid = re.search(rb'"sid":"([^"]+)"', opened)
        assert sid is not None
        writer.write(poll % (b"&sid=" + sid[1]) + b"Content-Length: 5\r\n\r\nhello")
        assert (await reader.readline()).split()[1] == b"400"


HEADS = [
    b"GET /health/live HTTP/1.1\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"GET /health/live HTTP/1.1\nHost: a\n\n",
    b"GET\x00 /health/live HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 33_000 + b"\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /health/live?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE + b"X: " + b"a" * 33_000 + b"\r\n\r\n",
    b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE + b"Content-Length: 5\r\n\r\nabcde",
    b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE + CHUNKED + b"\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE.replace(b"13", b"12") + b"\r\n",
    b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE.replace(b"dGhl", b"") + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


async def test_a_head_that_is_not_plain_is_refused(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    honest = await watched.connect(await watched.token())
    for head in HEADS:
        assert await status(watched, head) in (400, 431), head[:80]
    await watched.publish(END)
    assert await heard_until_end(honest) == []
    assert watched.server.output.count("\n") < 20, "nobody fills the log by this"


LIVE = b"GET /health/live HTTP/1.1\r\n" + HOST
CONNECT = b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE


async def test_a_head_up_to_the_bound_is_taken(valkey: Valkey, watch: Watch) -> None:
    """Cookies of a site may be long: RFC 6265, section 6.1, has a client send 50 of 4 KiB."""
    watched = await watch(valkey.url)
    cookie = b"Cookie: session=" + b"a" * 31_000 + b"\r\n\r\n"
    for before, (head, code) in product((b"", LIVE + b"\r\n"), ((LIVE, b"200"), (CONNECT, b"101"))):
        async with raw(watched) as (reader, writer):
            if before:
                writer.write(before)
                await reader.readuntil(b'{"status": "live"}')
            writer.write(head + cookie)
            assert (await reader.readline()).split()[1] == code


async def test_a_head_of_very_many_lines_is_refused(valkey: Valkey, watch: Watch) -> None:
    """A session keeps its headers: with 5,000 lines of six bytes each, it would take a megabyte."""
    watched = await watch(valkey.url)
    for head, code in ((LIVE, b"200"), (CONNECT, b"101")):
        for number, answer in ((128 - head.count(b": "), code), (2000, b"400")):
            lines = b"".join(b"X%d: 1\r\n" % line for line in range(number))
            async with raw(watched) as (reader, writer):
                writer.write(head + lines + b"\r\n")
                assert (await reader.readline()).split()[1] == answer


async def test_a_refusal_repeats_nothing_of_the_request(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    lines = [b"Cookie: session=secret" + b"a" * 40_000, b"Cookie: session=secret\x00", b"secret"]
    lines.append(b"\r\n".join(b"Cookie%d: secret" % number + b"a" * 7000 for number in range(6)))
    for before, line in product((b"", LIVE + b"\r\n"), lines):
        async with raw(watched) as (reader, writer):
            if before:
                writer.write(before)
                await reader.readuntil(b'{"status": "live"}')
            writer.write(LIVE + line + b"\r\n\r\n")
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                async with asyncio.timeout(WAIT_S):
                    answer = await reader.readuntil(b"\r\n\r\n") + await reader.read(4096)
                # The lines of a head that comes while a request is under way are bounded one by one only.
                allowed = (b"400", b"431", b"200") if before and line is lines[-1] else (b"400", b"431")
                assert answer.split()[1] in allowed, answer
                assert b"secret" not in answer
    assert "secret" not in watched.server.output


async def test_no_answer_names_a_version_of_the_server(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    for request in (LIVE + b"\r\n", b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        assert b"\r\nServer: Hornet\r\n" in await ask(watched, request), request


PUBLISH = b'{"channels": "news", "type": "hello"}'
KINDS = {
    "length": b"Content-Length: %d\r\n\r\n" % len(PUBLISH) + PUBLISH,
    "chunks": CHUNKED + b"\r\n%x\r\n" % len(PUBLISH) + PUBLISH + b"\r\n0\r\n\r\n",
}


async def test_a_client_that_sends_no_more_is_answered(
    valkey: Valkey, watch: Watch, program: tuple[str, ...]
) -> None:
    """A publish is carried out, so a backend that heard nothing would publish again."""
    watched = await watch(valkey.url, program=program)
    head = b"POST /api/publish HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    for kind, rest in KINDS.items():
        for times in (1, 3):
            async with raw(watched) as (reader, writer):
                writer.write((head + rest) * times)
                writer.write_eof()
                answer = await asyncio.wait_for(reader.read(), WAIT_S)
            assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b'"nodes":') == times, kind


async def test_a_client_that_sends_no_whole_request_is_let_go_at_once(
    valkey: Valkey, watch: Watch, program: tuple[str, ...]
) -> None:
    watched = await watch(valkey.url, program=program)
    for rest in (b"", b"POST /api/pub", b"POST /api/publish HTTP/1.1\r\n" + HOST):
        for before in (b"", LIVE + b"\r\n"):
            async with raw(watched) as (reader, writer):
                if before:
                    writer.write(before)
                    await reader.readuntil(b'{"status": "live"}')
                writer.write(rest)
                writer.write_eof()
                assert await asyncio.wait_for(reader.read(), WAIT_S) == b""


async def test_what_follows_a_websocket_request_is_no_second_request(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url)
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with raw(watched) as (reader, writer):
        writer.write(b"GET " + WEBSOCKET + b" HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n" + smuggled)
        answered = await reader.read()
    assert answered.startswith(b"HTTP/1.1 101 ")
    assert answered.count(b"HTTP/1.1") == 1
    assert await watched.metric('hornet_malformed_packets_total{fault="not_masked"}') == 1


NOT_FOUND = [
    b"//socket.io/?EIO=4&transport=polling",
    b"/socket.io//?EIO=4&transport=polling",
    b"/socket.io/../api/nodes",
    b"/socket.io/..%2fapi/nodes",
    b"/socket.io/%2e%2e/api/nodes",
    b"/socket.io%2f?EIO=4&transport=polling",
    b"/socket.io%00/?EIO=4&transport=polling",
    b"/socket.io/%00?EIO=4&transport=polling",
    b"/socket.io/;/..;/api/nodes",
    b"/socket.io\\?EIO=4&transport=polling",
    b"/%73ocket.io/?EIO=4&transport=polling",
    b"/%6detrics",
    b"/%61pi/nodes",
    b"/a%70i/nodes",
    b"/hornet/%2e%2e/%2e%2e/metrics",
    b"/health%2flive",
    b"//metrics",
    b"/./metrics",
    b"/METRICS",
    b"/API/nodes",
    b"http://localhost/%6detrics",
]


async def test_a_path_in_disguise_leads_nowhere(valkey: Valkey, watch: Watch) -> None:
    """A proxy may close ``/metrics`` or ``/api`` off by their text: nothing else may lead there."""
    watched = await watch(valkey.url)
    for path in NOT_FOUND:
        assert await status(watched, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n") in (400, 404), path
    assert await status(watched, b"GET /socket.io/\x00?EIO=4 HTTP/1.1\r\n" + HOST + b"\r\n") == 400
    assert await status(watched, b"GET /api/channels/a%2Fb HTTP/1.1\r\n" + HOST + b"\r\n") == 200
    assert await watched.metric('hornet_connections_refused_total{reason="DISGUISED_PATH"}') >= 4


@pytest.mark.parametrize("path", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
async def test_a_wrong_origin_is_refused_however_it_is_written(
    valkey: Valkey, watch: Watch, path: bytes
) -> None:
    watched = await watch(valkey.url)

    async def of(*origins: bytes) -> int:
        lines = b"".join(b"Origin: %s\r\n" % origin for origin in origins)
        extra = UPGRADE if path == WEBSOCKET else b""
        return await status(watched, b"GET " + path + b" HTTP/1.1\r\n" + HOST + lines + extra + b"\r\n")

    assert await of(b"http://localhost") == (101 if path == WEBSOCKET else 200)
    for origins in (
        (b"https://evil.example",),
        (b"http://localhost.evil.example",),
        (b"http://localhost@evil.example",),
        (b"null",),
        (b"http://evil.example#localhost",),
        (b"http://localhost", b"https://evil.example"),
        (b"https://evil.example", b"http://localhost"),
        (b"http://localhost, https://evil.example",),
    ):
        assert await of(*origins) == 403, origins


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"PUT", b"DELETE", b"PROPFIND", b"HEAD"])
async def test_other_methods_open_nothing_and_repeat_nothing(
    valkey: Valkey, watch: Watch, method: bytes
) -> None:
    watched = await watch(valkey.url)
    for path in (POLLING, b"/metrics" if method != b"HEAD" else b"/nothing", b"127.0.0.1:22"):
        head = await ask(
            watched, method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"Cookie: a=secret\r\n\r\n"
        )
        assert head[9:10] == b"4", (path, head)
        assert b"secret" not in head


@pytest.mark.parametrize("kind", ["a POST of a session", "a request to the API", "a trigger", "a visitor"])
async def test_a_body_that_is_cut_is_no_fault_of_the_server(valkey: Valkey, watch: Watch, kind: str) -> None:
    watched = await watch(valkey.url, "--pushy-secret", "a secret of the backend")
    honest = await watched.connect(await watched.token())
    trigger = b"/pushy/channel/a/trigger?event=e&timestamp=1&auth_key=k"
    path, gone = {
        "a POST of a session": (POLLING + b"&sid=" + await open_polling(watched), True),
        "a request to the API": (b"/api/publish", False),
        "a trigger": (trigger, False),
        "a visitor": (b"/demo/publish", False),
    }[kind]
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    length, chunks = b"Content-Length: 100\r\n\r\n{", CHUNKED + b"\r\n40\r\n{"
    for rest in (length, chunks, b"Expect: 100-continue\r\n" + length, b"Expect: 100-continue\r\n" + chunks):
        async with raw(watched) as (_, writer):
            writer.write(head + rest)
            await writer.drain()

    async def ended() -> float:
        return await watched.metric('hornet_disconnections_total{reason="transport error"}')

    await eventually(ended, 1.0 if gone else 0.0)
    await watched.publish(END)
    assert await heard_until_end(honest) == []
    assert " ERROR " not in watched.server.output
