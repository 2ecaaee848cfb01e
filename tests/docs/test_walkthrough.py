"""The steps of the README and the quickstart work, word for word but for ports."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.docs.conftest import Reader
from tests.docs.markdown import ROOT, all_blocks, blocks
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess, free_port
from tests.e2e.waiting import DEADLINE_S, eventually

README = ROOT / "README.md"
QUICKSTART = ROOT / "docs" / "intro" / "quickstart.md"
START = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/hornet-server\n"
TEST = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox\n"

REDIS_URL = "redis://127.0.0.1:6379"
HORNET_URL = "http://localhost:8187"
TIME = "document.getElementById('time').textContent"

Serve = Callable[[str, Callable[[], str]], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a page, and tokens at ``POST /token``, as a backend does; returns the page's address."""
    servers: list[TestServer] = []

    async def start(page: str, make_token: Callable[[], str]) -> str:
        async def show(_: web.Request) -> web.Response:
            return web.Response(text=f"<!doctype html><body>{page}", content_type="text/html")

        async def token(_: web.Request) -> web.Response:
            return web.Response(text=await asyncio.to_thread(make_token))

        app = web.Application()
        app.add_routes([web.get("/", show), web.post("/token", token)])
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("/"))

    yield start
    for server in servers:
        await server.close()


def block_of(page_language: str, *, holding: str = "") -> str:
    """The one block of the README in that language that holds the text."""
    [found] = [block.text for block in blocks(README, page_language) if holding in block.text]
    return found


def test_readme_and_quickstart_start_hornet_in_the_same_way() -> None:
    assert START in [block.text for block in blocks(README, "sh")]
    assert START in [block.text for block in blocks(QUICKSTART, "sh")]


def test_readme_and_quickstart_publish_the_same_first_message() -> None:
    assert [block_of("sh", holding="hornet publish")] == [
        block.text for block in blocks(QUICKSTART, "sh") if "hornet publish" in block.text
    ]


def test_readme_and_contributor_page_run_the_gate_in_the_same_way() -> None:
    assert TEST in [block.text for block in blocks(README, "sh")]
    assert TEST in [block.text for block in blocks(ROOT / "CONTRIBUTING.md", "sh")]


async def test_the_backend_and_the_page_of_the_readme_talk_to_each_other(
    browser: Browser, server: ServerProcess, valkey: Valkey, backend: Backend, serve: Serve
) -> None:
    backend_code: dict[str, Any] = {}
    exec(block_of("python").replace(REDIS_URL, valkey.url), backend_code)
    page = await browser.open(
        await serve(block_of("html").replace(HORNET_URL, server.url), backend_code["token_for_page"])
    )
    await page.wait_for("hornet.connected")
    assert await asyncio.to_thread(backend_code["tell_everyone"], "Said by Python") == 1
    await page.wait_for("document.body.textContent.includes('Said by Python')")
    await run_redis(backend.redis, block_of("redis"))
    await page.wait_for("document.body.textContent.includes('It works')")
    assert page.errors == []


async def test_the_token_of_the_readmes_redis_commands_lets_a_client_in(
    clients: NodeClients, server: ServerProcess, redis: Redis
) -> None:
    *make_token, publish = block_of("redis").splitlines()
    await run_redis(redis, "\n".join(make_token))
    token = shlex.split(make_token[0])[1].removeprefix("hornet:token:")
    client = await clients.connect(server.url, auth={"token": token, "channels": ["news"]})
    assert (await client.event())["type"] == "connected"
    await run_redis(redis, publish)
    assert await client.event() == {"type": "headline", "text": "It works", "channel": "news"}


async def test_the_quickstart_works_from_its_first_message_to_the_readers_own_page(
    browser: Browser, server: ServerProcess, reader: Reader, backend: Backend, port: int
) -> None:
    publish, publish_by_redis, make_token, run_backend = [
        block.text for block in blocks(QUICKSTART, "sh") if block.text != START
    ]

    demo = await browser.open(server.url)
    await eventually(lambda: backend.listeners("demo"), 1)
    assert reader.paste(publish) == "1"
    await eventually(lambda: demo.evaluate("document.body.textContent.includes('Hello from a shell')"), True)
    assert reader.paste(publish_by_redis) == "1"
    await eventually(lambda: demo.evaluate("document.body.textContent.includes('Hello from Redis')"), True)

    token = reader.paste(make_token)
    assert await backend.redis.smembers(f"hornet:token:{token}") == {b"news", b"sports"}

    [code] = blocks(QUICKSTART, "python")
    text = code.text.replace(REDIS_URL, reader.redis_url).replace(HORNET_URL, server.url)
    (reader.folder / "backend.py").write_text(text.replace("port=8000", f"port={port}"))
    reader.start(run_backend).wait_for_output("Running on")
    page = await browser.open(f"http://localhost:{port}/")
    await page.wait_for(r"/^\d\d:\d\d:\d\d$/.test(document.getElementById('time').textContent)")
    assert page.errors == []


async def test_the_page_of_the_quickstart_goes_on_after_hornet_and_its_valkey_were_started_again(
    browser: Browser, reader: Reader, port: int
) -> None:
    redis_port, hornet_port = str(free_port()), str(free_port())
    options = ("--port", hornet_port, "--embedded-port", redis_port, "--drain-window", "0")
    server = ServerProcess(*options)
    try:
        [code] = blocks(QUICKSTART, "python")
        text = code.text.replace(REDIS_URL, f"redis://127.0.0.1:{redis_port}").replace(HORNET_URL, server.url)
        (reader.folder / "backend.py").write_text(text.replace("port=8000", f"port={port}"))
        reader.start(".venv/bin/python backend.py").wait_for_output("Running on")
        page = await browser.open(f"http://localhost:{port}/")
        await page.wait_for(f"{TIME} !== 'waiting'")
        for end in (ServerProcess.stop, ServerProcess.sweep):  # as Ctrl-C does, and a crash of everything
            end(server)
            last = await page.evaluate(TIME)
            server = ServerProcess(*options)
            assert server.url
            await page.wait_for(f"{TIME} !== {last!r}")
    finally:
        server.sweep()


async def test_the_shell_of_the_publish_page_makes_a_token_and_publishes(
    clients: NodeClients, server: ServerProcess, reader: Reader, redis: Redis
) -> None:
    [shell, *_] = blocks(ROOT / "docs" / "howto" / "publish.md", "sh")
    before = set(await redis.keys("hornet:token:*"))
    reader.paste(shell.text)
    [key] = set(await redis.keys("hornet:token:*")) - before
    assert isinstance(key, bytes)
    assert 0 < await redis.ttl(key) <= 120
    token = key.decode().rpartition(":")[2]
    client = await clients.connect(server.url, auth={"token": token, "channels": ["news"]})
    assert (await client.event())["type"] == "connected"
    reader.paste(shell.text)
    assert (await client.event())["type"] == "headline"


async def test_redis_takes_every_redis_block(redis: Redis) -> None:
    for block in all_blocks("redis"):
        if "ACL" not in block.text:
            await run_redis(redis, block.text)


async def run_redis(redis: Redis, block: str) -> None:
    """Send a block's commands over one connection, as redis-cli does."""
    async with redis.client() as connection:
        for line in block.splitlines():
            words = shlex.split(line)
            if words[0] == "SUBSCRIBE":
                await _subscribe(redis, words[1:])
            else:
                await connection.execute_command(*words)


async def _subscribe(redis: Redis, topics: Sequence[str]) -> None:
    async with redis.pubsub() as subscription:
        await subscription.subscribe(*topics)
        for _ in topics:
            confirmation = await subscription.get_message(timeout=DEADLINE_S)
            assert confirmation is not None
            assert confirmation["type"] == "subscribe"
