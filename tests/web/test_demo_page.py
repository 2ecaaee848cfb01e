"""The page at /: what it serves, what a visitor may ask for, and the page itself in a real browser."""

import gzip
import json
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from html import unescape

import pytest
from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from redis.asyncio import Redis

from hornet._version import __version__
from hornet.app import create_app
from hornet.broker.settings import RedisSettings
from hornet.config import Config
from hornet.core.history import split_stamp
from hornet.engine import EngineSettings
from hornet.flows.backend.demo import MAX_TEXT_CHARS, PUBLISHES_PER_S, TOKENS_PER_ADDRESS, TOKENS_PER_S
from hornet.web.demo_page import FILES, MAX_BODY_BYTES, redis_commands
from hornet.web.settings import ServerSettings
from tests.conftest import StartServer, Valkey, start_valkey
from tests.e2e.browser import Browser, Page
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S

TOPIC = "hornet:channel:demo"
Visitor = TestClient[Request, Application]


@pytest.fixture
async def visitor(valkey: Valkey) -> AsyncIterator[Visitor]:
    """A visitor of a whole server with the try-it page."""
    config = Config(redis=RedisSettings(redis=valkey.url))
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


@pytest.fixture
async def outsider(valkey: Valkey) -> AsyncIterator[Visitor]:
    """A visitor of a whole server that was started with ``--no-demo``."""
    config = Config(server=ServerSettings(demo=False), redis=RedisSettings(redis=valkey.url))
    async with TestClient(TestServer(create_app(config))) as client:
        yield client


async def publish(visitor: Visitor, body: object) -> ClientResponse:
    headers = {"Content-Type": "application/json"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await visitor.post("/demo/publish", data=data, headers=headers)


# --- What is served ---


async def test_the_page_carries_the_title_line(visitor: Visitor) -> None:
    answer = await visitor.get("/")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    text = await answer.text()
    assert f"Hornet v{__version__}" in text
    assert "{{" not in text, "every placeholder is filled"


async def test_without_the_demo_only_the_title_line_remains(outsider: Visitor) -> None:
    answer = await outsider.get("/")
    assert answer.status == 200
    text = await answer.text()
    assert f"Hornet v{__version__}" in text
    assert "<script" not in text
    for path in ("/demo/demo.js", "/demo/demo.css"):
        assert (await outsider.get(path)).status == 404
    for path in ("/demo/token", "/demo/publish"):
        assert (await outsider.post(path, json={"text": "hi"})).status == 404


@pytest.mark.parametrize("path", ["/", *(f"/demo/{name}" for name in FILES)])
async def test_the_browser_is_told_to_trust_nothing_but_this_server(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_all_that_the_page_loads_is_served_here(visitor: Visitor) -> None:
    text = await (await visitor.get("/")).text()
    tags = re.findall(r"<(?:script|link|img)\b[^>]*?(?:src|href)=\"([^\"]+)\"", text)
    loaded = [path for path in tags if path != "hornet/hornet.js"]  # built, and tested where it is built
    assert len(loaded) >= len(FILES)
    for path in loaded:
        assert path.startswith("demo/"), "relative: a proxy may serve Hornet under a path"
        assert (await visitor.get(f"/{path}")).status == 200
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script>", text.partition("<figure>")[0])


async def test_a_browser_downloads_a_file_once(visitor: Visitor) -> None:
    for path in ("/", "/demo/demo.js"):
        first = await visitor.get(path)
        again = await visitor.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
        other = await visitor.get(path, headers={"If-None-Match": '"other"'})
        assert (other.status, await other.read()) == (200, await first.read())


@pytest.mark.parametrize("name", ["nothing.js", "hornet.js", "..%2Fhome.py", "%2Fetc%2Fpasswd"])
async def test_nothing_else_is_served_beside_the_page(visitor: Visitor, name: str) -> None:
    assert (await visitor.get(f"/demo/{name}")).status == 404


@pytest.mark.parametrize("path", ["/demo/token", "/demo/publish"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_what_changes_something_is_posted(visitor: Visitor, path: str, method: str) -> None:
    assert (await visitor.request(method, path)).status == 405


# --- The commands it shows ---


async def test_the_page_shows_commands_for_the_redis_of_this_server(visitor: Visitor, valkey: Valkey) -> None:
    text = unescape(await (await visitor.get("/")).text())
    assert f'hornet publish --redis {valkey.url} demo hello \'{{"text":"hi"}}\'' in text
    assert f'redis-cli -p {valkey.port} PUBLISH {TOPIC} \'{{"type":"hello","text":"hi"}}\'' in text
    assert f'Connector("{valkey.url}").publish("demo", "hello", {{"text": "hi"}})' in text


async def test_nobody_but_visitors_on_this_machine_sees_where_redis_is(
    visitor: Visitor, valkey: Valkey
) -> None:
    answer = await visitor.get("/", headers={"X-Forwarded-For": "203.0.113.9"})
    text = unescape(await answer.text())
    assert str(valkey.port) not in text.replace(str(visitor.port), "")
    assert "hornet publish demo hello" in text


@pytest.mark.parametrize(
    ("redis", "url", "option"),
    [
        ("redis://:***@db.example:6380/2", "redis://:***@db.example:6380/2", "-u 'redis://:***@db.example:6380/2'"),
        ("rediss://db.example/0", "rediss://db.example/0", "-u rediss://db.example/0"),
        ("redis://127.0.0.1:7777/0", "redis://127.0.0.1:7777/0", "-p 7777"),
        ("redis://localhost", "redis://localhost", "-u redis://localhost"),
        ("unix:///run/a b.sock", "unix:///run/a b.sock", "-s '/run/a b.sock'"),
        ("redis+cluster://n1:7000,n2:7001", "redis://n1:7000/0", "-u redis://n1:7000/0"),
        ("redis+cluster://me:***@n1:7000,n2", "redis://me:***@n1:7000/0", "-u 'redis://me:***@n1:7000/0'"),
        ("redis+sentinel://s1,s2/0/main", "redis://primary.example:6379/0", "-u redis://primary.example:6379/0"),
    ],
)  # fmt: skip
def test_each_kind_of_redis_is_named_as_each_tool_wants_it(redis: str, url: str, option: str) -> None:
    commands = redis_commands(redis)
    assert commands["python"] == f'"{url}"'
    assert commands["redis_cli"] == f" {option}"
    quoted = f"'{url}'" if re.search(r"[ *]", url) else url
    assert commands["hornet"] == f" --redis {quoted}"
    assert commands["login"] == ("needed" if "***" in url else "none")


def test_the_default_redis_needs_no_naming() -> None:
    assert redis_commands("") == {"hornet": "", "redis_cli": "", "python": "", "login": "none"}


# --- What a visitor may ask for ---


async def test_a_visitor_gets_a_token_for_the_demo_channel_alone(visitor: Visitor, redis: Redis) -> None:
    answer = await visitor.post("/demo/token")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    given = await answer.json()
    assert given["channels"] == ["demo"]
    key = f"hornet:token:{given['token']}"
    assert await redis.smembers(key) == {b"demo"}
    assert 0 < await redis.ttl(key) <= 120


async def test_tokens_asked_for_too_fast_are_refused(visitor: Visitor) -> None:
    await check_limit(lambda: visitor.post("/demo/token"), 200, TOKENS_PER_ADDRESS)


async def test_one_visitor_leaves_tokens_for_the_others(valkey: Valkey) -> None:
    engine = EngineSettings(trusted_proxies=("127.0.0.1",))
    config = Config(redis=RedisSettings(redis=valkey.url), engine=engine)
    async with TestClient(TestServer(create_app(config))) as visitor:
        greedy, other = ({"X-Forwarded-For": f"203.0.113.{number}"} for number in (1, 2))
        while (await visitor.post("/demo/token", headers=greedy)).status == 200:
            pass
        assert (await visitor.post("/demo/token", headers=other)).status == 200


async def test_a_page_of_another_origin_uses_up_no_token(visitor: Visitor) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for _ in range(TOKENS_PER_S):
            assert (await visitor.post("/demo/token", headers=headers)).status == 403
    own = {"Origin": str(visitor.make_url("/")).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert (await visitor.post("/demo/token", headers=own)).status == 200


@pytest.mark.parametrize("text", ["hi", "Grüße 🐝", "</script><img src=x>", "x" * MAX_TEXT_CHARS])
async def test_a_visitors_text_goes_out_through_redis_as_it_is(
    visitor: Visitor, redis: Redis, text: str
) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(TOPIC)
        await heard.get_message(ignore_subscribe_messages=False, timeout=DEADLINE_S)
        assert (await publish(visitor, {"text": text})).status == 202
        message = await heard.get_message(timeout=DEADLINE_S)
    assert message is not None
    stamp, published = split_stamp(message["data"])
    assert stamp is not None
    assert json.loads(published) == {"type": "hello", "text": text}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b'{"text": 7}', b'{"text": null}',
        b'{"text": [""]}', b'{"text": ""}', b'{"text": " \\n "}', b'{"text": "\\ud800"}',
        b"\xff\xfe\xfd", b"[" * 4000, b'{"text": "hi", "more": NaN}',
        json.dumps({"text": "x" * (MAX_TEXT_CHARS + 1)}).encode(),
    ],
)  # fmt: skip
async def test_a_malformed_publish_is_refused_with_one_sentence(visitor: Visitor, body: bytes) -> None:
    answer = await publish(visitor, body)
    assert answer.status == 400
    assert len((await answer.text()).splitlines()) == 1


async def test_refused_texts_do_not_use_up_the_pace(visitor: Visitor) -> None:
    for _ in range(PUBLISHES_PER_S):
        assert (await publish(visitor, {"text": ""})).status == 400
    assert (await publish(visitor, {"text": "hi"})).status == 202


async def test_a_body_too_large_is_refused(visitor: Visitor) -> None:
    assert (await publish(visitor, b" " * (MAX_BODY_BYTES + 1))).status == 413


async def test_a_body_too_large_is_refused_though_its_length_is_not_announced(visitor: Visitor) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    answer = await visitor.post("/demo/publish", data=chunks(), headers=headers)
    assert answer.status == 413


async def test_a_small_body_in_chunks_is_published(visitor: Visitor) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"text"'
        yield b': "hi"}'

    headers = {"Content-Type": "application/json"}
    assert (await visitor.post("/demo/publish", data=chunks(), headers=headers)).status == 202


async def test_a_body_that_is_not_compressed_as_announced_is_refused(visitor: Visitor) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await visitor.post("/demo/publish", data=b'{"text": "hi"}', headers=headers)
    assert answer.status == 400


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(visitor: Visitor) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await visitor.post("/demo/publish", data=gzip.compress(b" " * 1_000_000), headers=headers)
    assert answer.status == 413


async def test_while_redis_is_away_the_visitor_is_asked_to_come_again(start_server: StartServer) -> None:
    own = start_valkey()
    try:
        server = start_server(redis=f"redis://127.0.0.1:{own.port}/0")
    finally:
        own.stop()
    async with ClientSession(server.url) as http:
        for path in ("/demo/token", "/demo/publish"):
            assert (await http.post(path, json={"text": "hi"})).status == 503
        assert (await http.get("/")).status == 200


async def test_publishing_too_fast_is_refused_for_a_second(visitor: Visitor) -> None:
    await check_limit(lambda: publish(visitor, {"text": "hi"}), 202, PUBLISHES_PER_S)


async def check_limit(request: Callable[[], Awaitable[ClientResponse]], status: int, per_s: int) -> None:
    """Send ten times as many requests as a second lets through; a crowded machine takes several seconds."""
    began = time.monotonic()
    answers = [await request() for _ in range(10 * per_s)]
    seconds = math.ceil(time.monotonic() - began)
    accepted = sum(answer.status == status for answer in answers)
    assert per_s <= accepted <= seconds * per_s
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) == len(answers) - accepted > 0
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_page_of_another_origin_can_not_publish_unasked(visitor: Visitor, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Origin": "https://elsewhere.example"}
    answer = await visitor.post("/demo/publish", data=b'{"text": "hi"}', headers=headers)
    assert answer.status == 415
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert (
        "Access-Control-Allow-Origin" not in (await visitor.options("/demo/publish", headers=asked)).headers
    )


# --- The page in a browser ---

CONNECTED = "document.getElementById('status').textContent.includes('connected')"


async def open_page(browser: Browser, url: str) -> Page:
    page = await browser.open(url)
    await wait_until(page, CONNECTED)
    return page


async def wait_until(page: Page, condition: str) -> None:
    """Return once the expression is true.

    ``Page.wait_for`` makes the page ``eval`` the expression, which the policy of this page forbids.
    """
    look = f"function look() {{ ({condition}) ? done() : setTimeout(look, 20); }}"
    await page.evaluate(f"new Promise((done) => {{ ({look})(); }})")


async def test_a_hostile_message_is_shown_as_text(
    browser: Browser, start_server: StartServer, redis: Redis
) -> None:
    page = await open_page(browser, start_server().url)
    markup = "<img src=x onerror='window.hit = 1'><script>window.hit = 1</script>"
    await redis.publish(TOPIC, json.dumps({"type": markup, "text": markup, markup: "</code>" + markup}))
    await wait_until(page, "document.getElementById('messages').childElementCount === 1")
    shown = await page.evaluate("document.getElementById('messages').textContent")
    assert shown.count(markup) == 4
    assert await page.evaluate("document.querySelectorAll('#messages img, #messages script').length") == 0
    assert await page.evaluate("window.hit === undefined") is True
    assert page.errors == [], "the page's own files obey its Content-Security-Policy"


async def test_the_list_keeps_the_newest_messages_and_the_counter_counts_all(
    browser: Browser, start_server: StartServer, redis: Redis
) -> None:
    page = await open_page(browser, start_server().url)
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(250):
            pipeline.publish(TOPIC, json.dumps({"type": "tick", "number": number}))
        await pipeline.execute()
    await wait_until(page, "document.getElementById('count').textContent === '250 messages'")
    items = "[...document.querySelectorAll('#messages > li')]"
    assert await page.evaluate(f"{items}.length") == 200
    numbers = await page.evaluate(f"{items}.map((item) => Number(/: (\\d+)/.exec(item.textContent)[1]))")
    assert numbers == list(range(249, 49, -1))


async def test_the_form_publishes_and_a_refusal_keeps_the_text(
    browser: Browser, start_server: StartServer
) -> None:
    page = await open_page(browser, start_server().url)
    await page.fill("#text", "from the form")
    await page.click("button[type=submit]")
    await wait_until(page, "document.getElementById('answer').textContent.startsWith('Through Redis')")
    assert "from the form" in await page.evaluate("document.getElementById('messages').textContent")
    assert await page.evaluate("document.getElementById('text').value") == ""

    full = "Promise.all(Array.from({length: 6}, () => fetch('/demo/publish', {method: 'POST',"
    full += " headers: {'Content-Type': 'application/json'}, body: '{\"text\": \"hi\"}'})))"
    await page.fill("#text", "once more")
    await page.evaluate(f"{full}.then(() => document.getElementById('form').requestSubmit())")
    await wait_until(page, "document.getElementById('answer').textContent.includes('Try again in a moment')")
    assert await page.evaluate("document.getElementById('text').value") == "once more"


async def test_a_snippet_is_copied_where_the_browser_has_no_clipboard_for_scripts(
    browser: Browser, start_server: StartServer
) -> None:
    server = start_server()
    page = await open_page(browser, server.url)
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined}) && undefined")
    await page.evaluate(
        "void document.addEventListener('copy', () => { window.copied = String(getSelection()); })"
    )
    await page.click(".own .copy")
    await wait_until(page, "document.querySelector('.own .said').textContent === 'Copied'")
    origin = await page.evaluate("location.origin")
    assert f'<script src="{origin}/hornet/hornet.js"></script>' in await page.evaluate("window.copied")


async def test_the_page_comes_back_after_a_restart_and_never_claims_more_than_is_true(
    browser: Browser, start_server: StartServer, redis: Redis
) -> None:
    port = free_port()
    first = start_server(port=port)
    page = await open_page(browser, first.url)
    first.kill()
    await wait_until(page, f"!{CONNECTED}")
    assert await page.evaluate("document.getElementById('status').textContent") == "reconnecting…"
    start_server(port=port)
    await wait_until(page, CONNECTED)
    await redis.publish(TOPIC, '{"type": "hello", "text": "after"}')
    await wait_until(page, "document.getElementById('messages').textContent.includes('after')")
    assert await page.evaluate("document.getElementById('messages').childElementCount") == 1
