"""Pages of the original era, in today's Chromium: an old client's own browser build, and no hornet.js.

The page loads Socket.IO from its own web application and speaks the classic contract by itself.
"""

import pytest

from tests.conftest import Valkey
from tests.e2e.backend import Backend, publish_raw
from tests.e2e.browser import Browser
from tests.e2e.node_client import OLDER_VERSIONS, VERSIONS, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.versions import sends_auth

OLD_VERSIONS = [version for version in VERSIONS if not sends_auth(version)]
OPTIONS = {
    "default": "{}",
    "polling": '{transports: ["polling"]}',
    "websocket": '{transports: ["websocket"]}',
    "jsonp": '{transports: ["polling"], forceJSONP: true}',
}
CLIENT = """
function Channel(uri, token, channels, options) {{
  var self = this;
  this.messages = [];
  this.socket = io.connect(uri, options);
  this.socket.on("connect", function () {{
    self.socket.send(JSON.stringify({{token: token, channels: channels}}));
  }});
  this.socket.on("message", function (text) {{
    self.messages.push(JSON.parse(text));
  }});
}}
"""
PAGE = (
    '<!doctype html><meta charset="utf-8"><title>page</title><body>'
    '<script src="/socket.io-{version}.js"></script><script>'
    + CLIENT
    + "var page = {{messages: []}};"
    # A JSONP poll is a script, for which the load event of a page would wait.
    + "window.onload = function () {{ setTimeout(function () {{"
    + 'page = new Channel("{hornet}", "{token}", ["{channel}"], {options});'
    + "}}); }};</script>"
)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("version", OLD_VERSIONS)
async def test_an_old_page_receives_what_a_raw_redis_publish_says(
    browser: Browser,
    pages: tuple[str, list[str]],
    server: ServerProcess,
    valkey: Valkey,
    backend: Backend,
    prefix: str,
    version: str,
    options: str,
) -> None:
    origin, texts = pages
    channel = f"{prefix}page"
    texts.append(
        PAGE.format(
            version=version,
            hornet=server.url,
            token=await backend.token(channel),
            channel=channel,
            options=OPTIONS[options],
        )
    )
    page = await browser.open(origin)
    await page.wait_for("page.messages.length === 1")
    assert await page.evaluate("page.messages[0].msg") == "CONNECTED"
    if options == "default":
        await page.wait_for("page.socket.io.engine.transport.name === 'websocket'")
    text = "Grüße 🐝 \\u2028 </script>"
    for number in range(20):
        message = f'{{"type": "news", "number": {number}, "text": "{text}"}}'
        assert await publish_raw(valkey.port, channel, message) == 1
    await page.wait_for("page.messages.length === 21")
    assert await page.evaluate("page.messages.slice(1)") == [
        {"type": "news", "channel": channel, "number": number, "text": "Grüße 🐝 \u2028 </script>"}
        for number in range(20)
    ]
    jsonp = await page.evaluate("document.querySelectorAll('script[src*=\"j=\"]').length")
    assert (jsonp > 0) == (options == "jsonp")
    assert page.errors == []


@pytest.mark.parametrize("version", OLDER_VERSIONS)
async def test_a_client_that_is_older_still_gets_in_hears_and_comes_back(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
    version: str,
) -> None:
    channel = f"{prefix}news"
    client = await clients.connect(server.url, version=version, transports=transports, reconnectionDelay=10)
    for number in range(2):
        await client.show(await backend.token(channel), channel)
        assert (await client.event())["type"] == "connected"
        assert await client.call("user:logout") == [{"ok": True}]
        await client.show(await backend.token(channel), channel)
        assert (await client.event())["type"] == "connected"
        assert await backend.publish(channel, "news", number=number) == 1
        assert await client.event() == {"type": "news", "channel": channel, "number": number}
        if number == 0:
            await client.cut()
            await client.next("disconnect")
            await client.next("connect")
