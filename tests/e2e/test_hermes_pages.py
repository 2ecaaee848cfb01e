"""Pages of node-hermes and of socket-push, unchanged, in today's Chromium and with their clients."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.e2e.browser import Browser, Page
from tests.e2e.node_client import LATEST, POLLING, WEBSOCKET, NodeClients
from tests.e2e.server import ServerProcess
from tests.flows.auth.user_api import UserApi

CLIENTS = ("2.5.0", LATEST)
HERMES = """<!doctype html><meta charset="utf-8"><title>page</title><body>
<script src="/socket.io-{version}.js"></script>
<script>
var log = [];
var socket = io.connect("{hornet}");
function logIn(accessToken) {{ socket.emit("user:authenticate", accessToken); }}
function logOut() {{ socket.emit("user:logout"); }}
["user:authenticated", "socket:closed", "hermes:shutdown"].forEach(function (name) {{
  socket.on(name, function (data) {{ log.push([name, data]); }});
}});
socket.on("connect", function () {{ logIn("user-7"); }});
socket.on("disconnect", function (reason) {{ log.push(["disconnect", reason]); }});
</script>"""
SOCKET_PUSH = """<!doctype html><meta charset="utf-8"><title>page</title><body>
<script src="/socket.io-{version}.js"></script>
<script>
var log = [];
var socket = io.connect("{hornet}");
function show(user, hash) {{ socket.send(JSON.stringify({{userId: user, hash: hash}})); }}
socket.on("message", function (obj) {{
  if (typeof obj === "string") {{
    obj = eval("(" + obj + ")");
  }}
  log.push(obj);
}});
</script>"""

YES = ["user:authenticated", {"success": True}]
NO = ["user:authenticated", {"success": False}]


@pytest.fixture
async def api() -> AsyncIterator[UserApi]:
    async with UserApi() as api:
        yield api


@pytest.fixture
def hermes(valkey: Valkey, api: UserApi) -> Iterator[ServerProcess]:
    """A server that asks that backend, and gives a socket three attempts."""
    options = (
        "--backend-uri",
        api.uri,
        "--max-attempts",
        "3",
        "--client-events",
        "test-event",
        "--publish-client-events",
        "--authentication-events",
        "--drain-window",
        "0.1",
        "--allowed-origins",
        "*",
    )
    where = ("--port", "0", "--redis", valkey.url, "--allowed-origins", "*")
    server = ServerProcess(*where, *options)
    assert server.url
    yield server
    server.sweep()
    print(server.output)


async def logged(page: Page, *entries: object) -> None:
    """Wait until the page has logged these, and no others, since the last call."""
    await page.wait_for(f"log.length >= {len(entries)}")
    assert await page.evaluate("log.splice(0)") == list(entries)


@pytest.mark.parametrize("version", CLIENTS)
async def test_a_page_of_node_hermes_logs_in_and_out_and_hears_of_the_shutdown(
    browser: Browser, pages: tuple[str, list[str]], hermes: ServerProcess, version: str
) -> None:
    origin, texts = pages
    texts.append(HERMES.format(version=version, hornet=hermes.url))
    page = await browser.open(origin)
    await logged(page, YES)
    await page.evaluate("(logOut(), logIn('status-401'))")
    await logged(page, NO)
    await page.evaluate("logIn('user-8')")
    await logged(page, YES)
    hermes.stop()
    await page.wait_for("log.length >= 2")
    assert (await page.evaluate("log"))[0] == ["hermes:shutdown", {}]


@pytest.mark.parametrize("version", CLIENTS)
async def test_a_page_of_node_hermes_is_closed_after_too_many_attempts(
    browser: Browser, pages: tuple[str, list[str]], hermes: ServerProcess, version: str
) -> None:
    origin, texts = pages
    texts.append(HERMES.format(version=version, hornet=hermes.url))
    page = await browser.open(origin)
    await logged(page, YES)
    await page.evaluate("(logOut(), [1, 2, 3].forEach(function () { logIn('status-401'); }))")
    closed = ["socket:closed", {"reason": "Maximum authentication attempts reached"}]
    await logged(page, NO, NO, NO, closed, ["disconnect", "io server disconnect"])
    assert await page.evaluate("socket.connected") is False


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids=lambda transports: transports[0])
@pytest.mark.parametrize("version", CLIENTS)
async def test_attempts_are_answered_over_each_transport(
    clients: NodeClients, hermes: ServerProcess, version: str, transports: tuple[str, ...]
) -> None:
    client = await clients.connect(hermes.url, version=version, transports=transports)
    for access_token, success in (("dies", False), ("user-7", True)):
        await client.emit("user:authenticate", access_token)
        assert await client.event("user:authenticated") == {"success": success}
    assert await client.call("user:authenticate", "user-7") == [{"ok": True, "user": "7"}]


@pytest.mark.parametrize("version", CLIENTS)
async def test_a_backend_of_node_hermes_hears_attempts_and_events_of_clients(
    clients: NodeClients, hermes: ServerProcess, redis: Redis, version: str
) -> None:
    client = await clients.connect(hermes.url, version=version, transports=WEBSOCKET)
    async with redis.pubsub() as pubsub:
        await pubsub.psubscribe("hornet:events:user:authenticated", "hornet:events:client:*")
        [early] = await client.call("test-event", 1)
        assert early["error"]["code"] == "NOT_AUTHENTICATED"
        await client.emit("user:authenticate", "user-7")
        assert await client.call("test-event", {"n": 1}, "two") == [{"ok": True}]
        received: list[tuple[str, Any]] = []
        while len(received) < 2:
            message = await anext(pubsub.listen())
            if message["type"] == "pmessage":
                received.append((message["channel"].decode(), json.loads(message["data"])))
    topics = dict(received)
    assert topics["hornet:events:user:authenticated"]["user"] == "7"
    assert topics["hornet:events:client:test-event"]["args"] == [{"n": 1}, "two"]


@pytest.mark.parametrize("version", CLIENTS)
async def test_a_page_of_socket_push_is_the_user_whose_session_it_has(
    browser: Browser,
    pages: tuple[str, list[str]],
    hermes: ServerProcess,
    redis: Redis,
    prefix: str,
    version: str,
) -> None:
    await redis.set(f"hornet:user-session:{prefix}", "507909951498732")
    origin, texts = pages
    texts.append(SOCKET_PUSH.format(version=version, hornet=hermes.url))
    page = await browser.open(origin)
    await page.evaluate(f"show('{prefix}', 'wrong')")
    await logged(page, {"error": "You're not authorized", "code": "INVALID_SESSION"})
    await page.evaluate(f"show('{prefix}', '507909951498732')")
    await logged(page, {"auth": f"Authorized as {prefix}"})


@pytest.mark.parametrize("version", CLIENTS)
async def test_a_stock_client_that_shows_a_session_as_an_object_is_answered_by_an_object(
    clients: NodeClients, hermes: ServerProcess, redis: Redis, prefix: str, version: str
) -> None:
    await redis.set(f"hornet:user-session:{prefix}", "507909951498732")
    client = await clients.connect(hermes.url, version=version, transports=WEBSOCKET)
    await client.emit("message", {"userId": prefix})
    refused = {"error": "You're not authorized", "code": "WRONG_PARAMETERS"}
    assert list((await client.next("event", "message")).args) == [refused]
    await client.emit("message", {"userId": prefix, "hash": "507909951498732"})
    assert list((await client.next("event", "message")).args) == [{"auth": f"Authorized as {prefix}"}]
