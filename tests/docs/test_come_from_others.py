"""The programs of the page for users of older servers, run beside a node."""

import asyncio
import json
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from redis.asyncio import Redis

from hornet.connector import Connector, sign_channel
from hornet.flows.settings import ChannelSettings
from tests.broker.conftest import start_redis
from tests.docs.markdown import ROOT, blocks
from tests.e2e.javascript import NODE, node_environment
from tests.e2e.node_client import ALIAS, LATEST
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.client import refusal
from tests.flows.conftest import StartNode, start_node

__all__ = ["start_node", "start_redis"]

PAGE = ROOT / "docs" / "howto" / "come-from-others.md"
AUTHENTICATION = PAGE.with_name("authentication.md")


def program(text: str, page: Path = PAGE) -> dict[str, Any]:
    """Run the Python block of a page that holds a text; return its names."""
    [block] = [block for block in blocks(page, "python") if text in block.text]
    names: dict[str, Any] = {}
    exec(compile(block.text, str(page), "exec"), names)
    return names


async def test_the_plug_in_passes_an_order_from_redis_on_to_its_user(
    start_node: StartNode, redis: Redis
) -> None:
    node = await start_node(own_plugins=[program("on_order")["set_up"]])
    client = await node.connect_with_token(user="42")
    assert await redis.publish("orders", json.dumps({"user": "42", "order": 7})) == 1
    assert await client.event() == ("order paid", {"user": "42", "order": 7})


async def test_a_page_of_socket_push_gets_what_its_backend_publishes_to_its_user(
    start_node: StartNode,
) -> None:
    node = await start_node()
    functions = program("publish_to_user")
    text, by_event = await node.connect(), await node.connect(auth={"delivery": "event"})
    with Connector(node.node.config.redis.redis) as hornet:
        await asyncio.to_thread(functions["log_in"], hornet, 42, "f3a9c1d27b")
        for client in (text, by_event):
            await client.emit("message", json.dumps({"userId": 42, "hash": "f3a9c1d27b"}))
        assert await text.event() == ("message", '{"auth":"Authorized as 42"}')
        assert await by_event.event() == ("message", {"auth": "Authorized as 42"})
        assert await asyncio.to_thread(functions["publish_to_user"], hornet, 42, {"n": 1}) == 1
    published = {"type": "message", "n": 1, "channel": "user-42"}
    event, argument = await text.event()
    assert (event, json.loads(argument)) == ("message", published)
    assert await by_event.event() == ("message", published)


async def test_a_page_without_a_credential_gets_what_is_public_and_nothing_else(
    start_node: StartNode, redis: Redis
) -> None:
    anyone = program("class Anyone", AUTHENTICATION)["Anyone"]
    node = await start_node(ways=[anyone()], public_channels="news", public_patterns=True)
    client = await node.connect()
    assert (await client.ask("hornet:subscribe", {"channel": "news"}))["ok"]
    assert (await client.ask("hornet:subscribe", {"pattern": {"kind": "news"}}))["ok"]
    assert await refusal(client, "hornet:subscribe", {"channel": "orders"}) == "FORBIDDEN"
    await redis.publish("kind:news", "7")
    assert (await client.message())["payload"] == 7
    await client.show(await node.create_token("orders"), "orders")
    assert (await client.message())["type"] == "connected"
    with_token = await node.connect(auth={"token": await node.create_token("orders"), "channels": ["orders"]})
    assert (await with_token.message())["type"] == "connected"
    wrong = await node.connect(auth={"token": "unknown", "channels": ["orders"]})
    assert (await wrong.message())["error"] == "INVALID_TOKEN"
    assert await refusal(wrong, "hornet:subscribe", {"channel": "news"}) == "NOT_AUTHENTICATED"


class Page:
    """A script of the page, run by Node with the latest stock client."""

    def __init__(self, text: str, url: str, folder: Path, js_modules: Path) -> None:
        [block] = [block for block in blocks(PAGE, "js") if text in block.text]
        (folder / "node_modules").mkdir(exist_ok=True)
        (folder / "node_modules" / "socket.io-client").symlink_to(js_modules / f"{ALIAS}{LATEST}")
        script = block.text.replace("https://push.example.com", url).replace("`/sign", f"`{url}/sign")
        self._script = folder / "page.mjs"
        self._script.write_text(script)

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            str(NODE), str(self._script), stdout=PIPE, stderr=STDOUT, env=node_environment()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def line(self) -> str:
        """Return the next line that the script prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self._process.stdout.readline()).decode().strip()


async def publish_until_printed(redis: Redis, topic: str, text: str, page: Page) -> str:
    """Publish until the page prints a line, and return that: nothing tells when the page listens."""
    line = asyncio.create_task(page.line())

    async def is_printed() -> bool:
        await redis.publish(topic, text)
        return line.done()

    await eventually(is_printed, True)
    return await line


async def test_the_page_for_users_of_realizehit_gets_what_is_published_to_its_pattern(
    start_node: StartNode, redis: Redis, js_modules: Path, tmp_path: Path
) -> None:
    anyone = program("class Anyone", AUTHENTICATION)["Anyone"]
    node = await start_node(ways=[anyone()], public_patterns=True)
    async with Page("kind: ", node.url, tmp_path, js_modules) as page:
        topic = "channel:CNN|kind:news"
        assert await publish_until_printed(redis, topic, '["It works"]', page) == "[ 'It works' ]"


async def test_the_page_for_users_of_pushy_gets_into_its_private_channel(
    start_node: StartNode, redis: Redis, js_modules: Path, tmp_path: Path
) -> None:
    secret = "a-secret-of-32-characters-or-more"

    async def sign(request: web.Request) -> web.Response:
        return web.json_response(sign_channel(secret, request.query["socket"], request.query["channel"]))

    node = await start_node(
        own_routes=[web.get("/sign", sign)], channels=ChannelSettings(channel_secrets=(secret,))
    )
    async with Page("order-paid", node.url, tmp_path, js_modules) as page:
        topic, message = "hornet:channel:private-orders", '{"type": "order-paid", "order": 7}'
        assert await publish_until_printed(redis, topic, message, page) == "7"
