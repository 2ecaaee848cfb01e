"""Two styles of pages in a real Chromium, each on two nodes: Pusher's and realizehit's, by hornet.js."""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hornet.connector import AsyncConnector, sign_channel
from hornet.core.history import parse_position
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser, Page
from tests.e2e.server import ServerProcess, free_port
from tests.installed import install_example

SECRET = "a long random secret"

# It knows no token: its backend signs what this user may have. Members are kept as the reference tells to.
PUSHER = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  const log = [], members = new Map();
  const hornet = new Hornet({{
    uri: "{hornet}",
    authorize: async (channel, id) => {{
      log.push("authorize");
      const body = JSON.stringify({{channel, id, user: "{user}"}});
      const answer = await fetch("/private", {{method: "POST", body}});
      if (!answer.ok) throw new Error(`HTTP ${{answer.status}}`);
      return answer.json();
    }},
  }});
  const put = (present) => present.forEach((member) => members.set(member.id, member.info));
  const here = () => [...members.keys()].sort().join(" ");
  hornet.on("hornet", "disconnect", () => log.push("disconnect"));
  hornet.on("hornet", "subscribed", (message) => {{
    log.push("subscribed");
    members.clear();
    put(message.members);
  }});
  hornet.on("{channel}", "presence-add", (message) => put(message.members));
  hornet.on("{channel}", "presence-quit", ({{members: all}}) => all.forEach((one) => members.delete(one.id)));
  hornet.on("{channel}", "line", (message) => log.push(message.text));
  hornet.connect();
  const entered = hornet.subscribe("{channel}");
</script>
"""
# A token of its own for each pattern; nothing else lets it in.
REALIZEHIT = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  const heard = {{cnn: [], all: [], open: []}};
  const payloads = {{cnn: [], all: [], open: []}};
  const hornet = new Hornet({{uri: "{hornet}"}});
  const token = (text) => async () => (await fetch("/token", {{method: "POST", body: text}})).text();
  const cnn = {{pattern: {{kind: "{kind}", channel: "CNN"}}}};
  const all = {{pattern: {{channel: "*", kind: "{kind}"}}}};
  const open = {{pattern: {{kind: "{kind}"}}, subset: true}};
  hornet.on(cnn, "*", (message) => message.type === "headline" && heard.cnn.push(message.text));
  hornet.on(all, "headline", (message) => heard.all.push(message.text));
  hornet.on(open, "*", (message) => message.type === "headline" && heard.open.push(message.text));
  hornet.on(cnn, "*", (message) => message.type === "payload" && payloads.cnn.push(message.payload));
  hornet.on(all, "payload", (message) => payloads.all.push(message.payload));
  hornet.on(open, "payload", (message) => payloads.open.push(message.payload));
  hornet.connect();
  const subscribed = Promise.all([
    hornet.subscribe(cnn, {{token: token("channel:CNN|kind:{kind}")}}),
    hornet.subscribe(all, {{token: token("channel:*|kind:{kind}")}}),
    hornet.subscribe(open, {{token: token("kind:{kind}|*")}}),
  ]);
</script>
"""


class Site:
    """A web application: serves one page to each who asks, signs channels, and makes tokens."""

    def __init__(self, backend: Backend, browser: Browser) -> None:
        self._backend = backend
        self._browser = browser
        self._pages: list[str] = []
        self.refused: set[str] = set()
        """Users who get no signature."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/private", self._sign)
        app.router.add_post("/token", self._token)
        self.server = TestServer(app)

    async def open(self, template: str, hornet: ServerProcess, **words: str) -> Page:
        self._pages.append(template.format(hornet=hornet.url, **words))
        return await self._browser.open(str(self.server.make_url("/")))

    async def _page(self, _: web.Request) -> web.Response:
        text = f"<!doctype html><title>page</title>{self._pages[-1]}"
        return web.Response(text=text, content_type="text/html")

    async def _sign(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["user"] in self.refused:
            raise web.HTTPForbidden
        presence = {"id": asked["user"], "info": {"name": asked["user"].title()}}
        return web.json_response(sign_channel(SECRET, asked["id"], asked["channel"], presence))

    async def _token(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._backend.token(await request.text()))


@pytest.fixture
async def site(backend: Backend, browser: Browser) -> AsyncIterator[Site]:
    site = Site(backend, browser)
    async with site.server:
        yield site


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    options = ("--channel-secrets", SECRET, "--pushy-secret", SECRET)
    return start_server(*options), start_server(*options, port=free_port())


@pytest.fixture
def channel(prefix: str) -> str:
    return f"private-{prefix}room"


async def trigger(node: ServerProcess, channel: str, event: str, data: dict[str, Any], **query: str) -> int:
    """Send an event as a backend of pushy does; return the status."""
    now, body = str(int(time.time())), json.dumps(data, separators=(",", ":"))
    key = hashlib.sha256(f"{channel}:{event}:{now}:{body}:{SECRET}".encode()).hexdigest()
    params = {"event": event, "timestamp": now, "auth_key": key, **query}
    url = f"{node.url}/pushy/channel/{channel}/trigger"
    async with aiohttp.ClientSession() as http, http.post(url, params=params, data=body) as answer:
        return answer.status


async def test_pages_with_signatures_alone_see_each_other_and_the_backends_events_on_both_nodes(
    site: Site, nodes: tuple[ServerProcess, ServerProcess], channel: str
) -> None:
    ana = await site.open(PUSHER, nodes[0], channel=channel, user="ana")
    entered = await ana.evaluate("entered")
    parse_position(entered.pop("position"))
    assert entered == {
        "channel": channel,
        "members": [{"id": "ana", "info": {"name": "Ana"}}],
        "count": 1,
    }
    ben = await site.open(PUSHER, nodes[1], channel=channel, user="ben")
    for page in (ana, ben):
        await page.wait_for("here() === 'ana ben'")
        members = await page.evaluate(f"hornet.presence('{channel}')")
        assert {member["id"] for member in members} == {"ana", "ben"}

    assert await trigger(nodes[1], channel, "line", {"text": "to all"}) == 201
    sender = await ana.evaluate("hornet.id")
    assert await trigger(nodes[1], channel, "line", {"text": "to the others"}, socket_id=sender) == 201
    assert await trigger(nodes[0], channel, "line", {"text": "the end"}) == 201
    for page in (ana, ben):
        await page.wait_for("log.includes('the end')")
    assert await ana.evaluate("log") == ["authorize", "subscribed", "to all", "the end"]
    assert await ben.evaluate("log") == ["authorize", "subscribed", "to all", "to the others", "the end"]

    await ben.close()
    await ana.wait_for("here() === 'ana'")
    assert await ana.evaluate(f"hornet.unsubscribe('{channel}')") == {"subscribed": False}
    # The second node goes on listening: the page of ben went without a word, and may come back.
    assert await trigger(nodes[0], channel, "line", {"text": "to nobody"}) == 201
    assert ana.errors == ben.errors == []


async def test_a_page_comes_back_to_its_channels_with_a_new_signature_when_its_node_was_killed(
    site: Site,
    nodes: tuple[ServerProcess, ServerProcess],
    start_server: StartServer,
    backend: Backend,
    channel: str,
) -> None:
    ana = await site.open(PUSHER, nodes[0], channel=channel, user="ana")
    ben = await site.open(PUSHER, nodes[1], channel=channel, user="ben")
    for page in (ana, ben):
        await page.wait_for("here() === 'ana ben'")
    old_id = await ben.evaluate("hornet.id")

    nodes[1].kill()
    await ben.wait_for("log.includes('disconnect')")
    start_server("--channel-secrets", SECRET, port=nodes[1].port)

    await ben.wait_for("log.filter((entry) => entry === 'subscribed').length === 2")
    assert await ben.evaluate("hornet.id") != old_id
    assert await backend.publish(channel, "line", text="after") == 2
    for page in (ana, ben):
        await page.wait_for("log.includes('after')")
    entered = ["authorize", "subscribed"]
    assert await ben.evaluate("log") == [*entered, "disconnect", *entered, "after"]
    for page in (ana, ben):
        await page.wait_for("here() === 'ana ben'")


async def test_a_page_that_its_backend_refuses_is_told_so(
    site: Site, nodes: tuple[ServerProcess, ServerProcess], channel: str
) -> None:
    site.refused.add("eve")
    eve = await site.open(PUSHER, nodes[0], channel=channel, user="eve")
    told = await eve.evaluate("entered.catch((error) => [error.name, error.code, error.message])")
    assert told == ["HornetError", "AUTHORIZATION_UNAVAILABLE", "HTTP 403"]
    forged = "{authorize: () => ({signature: 'forged'})}"
    code = await eve.evaluate(f"hornet.subscribe('{channel}', {forged}).catch((error) => error.code)")
    assert code == "BAD_SIGNATURE"


async def test_a_page_publishes_where_its_token_lets_it_and_calls_commands(
    site: Site,
    start_server: StartServer,
    valkey: Valkey,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install_example(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    nodes = start_server(), start_server()
    chat = f"{prefix}chat"
    template = """
      <script src="{hornet}/hornet/hornet.js"></script>
      <script>
        const log = [];
        const hornet = new Hornet({{uri: "{hornet}", channel: "{chat}", token: "{token}"}});
        hornet.on("{chat}", "*", (message) => log.push([message.type, message.user, message.text]));
        hornet.connect();
      </script>
    """
    pages = []
    async with AsyncConnector(valkey.url) as connector:
        for node, user in zip(nodes, ("ana", "ben"), strict=True):
            token = await connector.create_access_token(chat, user=user, publish=[chat])
            pages.append(await site.open(template, node, chat=chat, token=token))
    ana, ben = pages
    for page in pages:
        await page.wait_for("hornet.connected")

    await ana.evaluate(f"hornet.publish('{chat}', 'line', {{text: 'hi'}})")
    await ana.evaluate(f"hornet.publish('{chat}', 'typing', {{}}, {{excludeSelf: true}})")
    await ben.evaluate(f"hornet.publish('{chat}', 'end')")
    for page in pages:
        await page.wait_for("log.some(([type]) => type === 'end')")
    assert await ana.evaluate("log") == [["line", "ana", "hi"], ["end", "ben", None]]
    assert await ben.evaluate("log") == [["line", "ana", "hi"], ["typing", "ana", None], ["end", "ben", None]]
    refused = "hornet.publish('elsewhere', 'line').catch(({code}) => code)"
    assert await ana.evaluate(refused) == "FORBIDDEN"

    rolled = await ben.evaluate("hornet.command('example.roll', {dice: 2, sides: 6})")
    assert 2 <= rolled["sum"] == sum(rolled["rolled"]) <= 12
    invalid = "hornet.command('example.roll', {dice: 0}).catch(({code, message}) => [code, message])"
    assert await ben.evaluate(invalid) == ["INVALID_DATA", "Expected `int` >= 1 - at `$.dice`"]


async def test_pages_hear_the_patterns_that_they_subscribed_to_on_both_nodes(
    site: Site, nodes: tuple[ServerProcess, ServerProcess], start_server: StartServer
) -> None:
    kind = secrets.token_hex(4)
    pages = [await site.open(REALIZEHIT, node, kind=kind) for node in nodes]
    for page in pages:
        assert [answer["pattern"] for answer in await page.evaluate("subscribed")] == [
            f"channel:CNN|kind:{kind}",
            f"channel:*|kind:{kind}",
            f"kind:{kind}|*",
        ]

    async def publish(node: ServerProcess, pattern: dict[str, str], text: str) -> None:
        await publish_json(node, pattern, {"type": "headline", "text": text})

    async def publish_json(node: ServerProcess, pattern: dict[str, str], payload: object) -> None:
        body = {"pattern": {**pattern, "kind": kind}, "payload": payload}
        async with aiohttp.ClientSession() as http, http.post(f"{node.url}/", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def publish_all(node: ServerProcess) -> None:
        await publish(node, {"channel": "CNN"}, "cnn")
        await publish(node, {"channel": "BBC"}, "bbc")
        await publish(node, {}, "plain")
        await publish(node, {"channel": "CNN", "year": "2025"}, "more")
        await publish(node, {"channel": "CNN"}, "the end")

    heard = {
        "cnn": ["cnn", "the end"],
        "all": ["cnn", "bbc", "the end"],
        "open": ["cnn", "bbc", "plain", "more", "the end"],
    }
    any_json = ["text", 7, None, True, ["any", "JSON"], {"a": {"b": 1}}, {"type": 5}]
    for payload in any_json:
        await publish_json(nodes[0], {"channel": "CNN"}, payload)
    await publish_all(nodes[0])
    for page in pages:
        await page.wait_for("Object.values(heard).every((texts) => texts.includes('the end'))")
        assert await page.evaluate("heard") == heard
        assert await page.evaluate("payloads") == {"cnn": any_json, "all": any_json, "open": any_json}

    nodes[1].kill()
    await pages[1].wait_for("!hornet.connected")
    again = "(hornet.on('hornet', 'subscribed', ({subscription}) => made.push(subscription)), true)"
    assert await pages[1].evaluate(f"globalThis.made = [], {again}")
    revived = start_server(port=nodes[1].port)
    await pages[1].wait_for("made.length === 3")
    await pages[1].evaluate("Object.values(heard).forEach((texts) => texts.splice(0))")
    await publish_all(revived)
    await pages[1].wait_for("Object.values(heard).every((texts) => texts.includes('the end'))")
    assert await pages[1].evaluate("heard") == heard
