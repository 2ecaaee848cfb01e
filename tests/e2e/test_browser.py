"""Pages of a web application on another origin, in a real Chromium, and the try-it page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hornet._version import __version__
from hornet.core.history import parse_position
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend, publish_raw
from tests.e2e.browser import Browser
from tests.e2e.conftest import Serve
from tests.e2e.server import ServerProcess, free_port

PASSED_ON = ("Host", "Origin", "Content-Type")

# What pages written for the Node server do, in its classic words.
CLASSIC = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var log = [];
  var hornet = new Hornet({{uri: "{hornet}", channels: ["{channel}"], token: "{token}"}});
  hornet.on("hornet", "connected", function (message) {{ log.push(message.msg); }});
  hornet.on("{channel}", "news", function (message) {{ log.push(message); }});
  hornet.on(["{channel}", "elsewhere"], "sport", function (message) {{ log.push(message); }});
  hornet.connect();
</script>
"""
POSITIONAL = """
<script src="{hornet}/socket.io/socket.io.js"></script>
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var log = [];
  var hornet = new $h("{hornet}", ["{channel}"], "{token}");
  hornet.on("{channel}", "news", function (message) {{ log.push(message); }});
  hornet.on("hornet", "connected", function (message) {{ log.push(message.msg); }});
  hornet.connect();
</script>
"""
TOKEN_FUNCTION = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var log = [];
  var hornet = new Hornet({{
    uri: "{hornet}",
    channel: "{channel}",
    token: async () => (await fetch("/token", {{method: "POST"}})).text(),
  }});
  hornet.on("hornet", "connected", () => log.push("connected"));
  hornet.on("hornet", "disconnect", () => log.push("disconnect"));
  hornet.on("{channel}", "news", (message) => log.push(message.text));
  hornet.connect();
</script>
"""
NEW_TOKEN_ON_DISCONNECT = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var log = [];
  var hornet = new Hornet({{uri: "{hornet}", channel: "{channel}", token: "{token}"}});
  hornet.on("hornet", "connected", function () {{ log.push("connected"); }});
  hornet.on("hornet", "disconnect", function () {{ log.push("disconnect"); hornet.token = "{spare}"; }});
  hornet.on("{channel}", "news", function (message) {{ log.push(message.text); }});
  hornet.connect();
</script>
"""


async def fill(template: str, server: ServerProcess, backend: Backend, channel: str) -> str:
    tokens = {name: await backend.token(channel) for name in ("token", "spare")}
    return template.format(hornet=server.url, channel=channel, **tokens)


@pytest.mark.parametrize("template", [CLASSIC, POSITIONAL], ids=["classic", "positional"])
async def test_a_page_of_another_origin_receives_what_a_raw_redis_publish_says(
    browser: Browser,
    serve_page: Serve,
    server: ServerProcess,
    valkey: Valkey,
    backend: Backend,
    prefix: str,
    template: str,
) -> None:
    channel = f"{prefix}page"
    page = await browser.open(await serve_page(await fill(template, server, backend, channel)))
    await page.wait_for("log[0] === 'CONNECTED'")
    assert await page.evaluate("hornet.connected") is True
    assert await publish_raw(valkey.port, channel, '{"type": "news", "text": "Grüße 🐝"}') == 1
    await page.wait_for("log.length === 2")
    message = await page.evaluate("log[1]")
    parse_position(message.pop("position"))
    assert message == {"type": "news", "text": "Grüße 🐝", "channel": channel}
    assert page.errors == []


@pytest.mark.parametrize(
    "template", [TOKEN_FUNCTION, NEW_TOKEN_ON_DISCONNECT], ids=["token-function", "new-token-on-disconnect"]
)
async def test_a_page_comes_back_when_the_server_was_killed_and_started_again(
    browser: Browser,
    serve_page: Serve,
    start_server: StartServer,
    backend: Backend,
    prefix: str,
    template: str,
) -> None:
    channel = f"{prefix}page"
    port = free_port()
    first = start_server(port=port)
    page = await browser.open(await serve_page(await fill(template, first, backend, channel)))
    await page.wait_for("log.includes('connected')")
    await backend.publish(channel, "news", text="before")
    await page.wait_for("log.includes('before')")

    first.kill()
    await page.wait_for("log.includes('disconnect')")
    start_server(port=port)

    await page.wait_for("log.filter((entry) => entry === 'connected').length === 2")
    await backend.publish(channel, "news", text="after")
    await page.wait_for("log.includes('after')")
    assert await page.evaluate("log") == ["connected", "before", "disconnect", "connected", "after"]


async def test_the_try_it_page_connects_and_shows_what_is_published(
    browser: Browser, server: ServerProcess, valkey: Valkey, tmp_path: Path
) -> None:
    page = await browser.open(server.url)
    assert f"Hornet v{__version__}" in await page.evaluate("document.body.innerText")
    await page.wait_for(r"/\bconnected\b/i.test(document.querySelector('#status').textContent)")
    shown = int(await page.evaluate("document.querySelector('#messages').childElementCount"))
    assert await publish_raw(valkey.port, "demo", '{"type": "hello", "text": "<b>from a socket</b>"}') >= 1
    await page.wait_for(f"document.querySelector('#messages').childElementCount === {shown + 1}")
    text = await page.evaluate("document.querySelector('#messages').textContent")
    assert "<b>from a socket</b>" in text, "shown as text, never as markup"
    picture = tmp_path / "try-it.png"
    await page.screenshot(picture)
    assert picture.stat().st_size > 5_000
    assert page.errors == []


@pytest.fixture
async def serve_under_path() -> AsyncIterator[Callable[[str, str], Awaitable[str]]]:
    """Passes ``/push/...`` of an origin of its own on to a server, without ``/push``, but for ``kept``."""
    async with AsyncExitStack() as stack:

        async def serve(server_url: str, kept: str) -> str:
            http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))

            async def pass_on(request: web.Request) -> web.Response:
                path = (
                    request.path
                    if kept and request.path.startswith(kept)
                    else request.path.removeprefix("/push")
                )
                url = f"{server_url}{path}?{request.query_string}"
                headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
                body = await request.read()
                async with http.request(request.method, url, headers=headers, data=body) as answer:
                    answered = {"Content-Type": answer.headers["Content-Type"]}
                    return web.Response(status=answer.status, body=await answer.read(), headers=answered)

            app = web.Application()
            app.router.add_route("*", "/push/{path:.*}", pass_on)
            proxy = await stack.enter_async_context(TestServer(app))
            return str(proxy.make_url("/push/"))

        yield serve


@pytest.mark.parametrize("kept", ["", "/push/socket.io/"], ids=["stripped", "passed-on"])
async def test_the_try_it_page_works_under_a_path(
    browser: Browser,
    start_server: StartServer,
    serve_under_path: Callable[[str, str], Awaitable[str]],
    kept: str,
) -> None:
    server = start_server(*(["--path", kept] if kept else []))
    page = await browser.open(await serve_under_path(server.url, kept))
    await page.wait_for(r"/\bconnected\b/i.test(document.querySelector('#status').textContent)")
    await page.fill("#text", "through a proxy")
    await page.click("button")
    await page.wait_for("document.querySelector('#messages').textContent.includes('through a proxy')")
    sample = await page.evaluate("document.querySelector('.own pre').innerText")
    assert "/push/hornet/hornet.js" in sample
    assert 'io: { path: "/push/socket.io/" }' in sample
    await page.close()  # and with it the poll that the proxy waits for


async def test_the_try_it_page_fits_a_phone(browser: Browser, server: ServerProcess) -> None:
    page = await browser.open(server.url, width=360, height=740)
    await page.wait_for(r"/\bconnected\b/i.test(document.querySelector('#status').textContent)")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.errors == []


async def test_without_the_demo_only_the_title_line_is_served(start_server: StartServer) -> None:
    server = start_server("--no-demo")
    async with aiohttp.ClientSession() as http, http.get(server.url) as answer:
        assert answer.status == 200
        text = await answer.text()
    assert f"Hornet v{__version__}" in text
    assert "<script" not in text
    assert 'id="messages"' not in text
