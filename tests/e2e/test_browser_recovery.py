"""hornet.js in Chromium comes back to its session: after a cut, a kill, and a reload of the page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic
from hornet.connector import AsyncConnector
from tests.conftest import StartServer, Valkey
from tests.e2e.balancer import Balancer, balancing
from tests.e2e.browser import Browser, Page
from tests.e2e.conftest import Serve
from tests.e2e.server import ServerProcess
from tests.flows.recovery.publishing import Recording, recording

# The page keeps what it showed in the tab, so that a reload loses nothing.
PAGE = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  const kept = JSON.parse(sessionStorage.getItem("kept") ?? "null");
  sessionStorage.removeItem("kept");
  const seen = kept?.seen ?? [];
  const told = [];
  let tokens = 0;
  const hornet = new Hornet({{
    uri: "{hornet}",
    channels: "{channel}",
    token: async () => {{
      tokens += 1;
      return (await fetch("/token", {{ method: "POST" }})).text();
    }},
    resume: kept?.state,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
  }});
  hornet.on("{channel}", "*", ({{ type }}) => seen.push(Number(type)));
  hornet.on("hornet", "gap", ({{ channels, reason }}) => told.push(["gap", channels, reason]));
  hornet.on("hornet", "connected", ({{ recovered }}) => told.push(["connected", recovered === true]));
  addEventListener("pagehide", () =>
    sessionStorage.setItem("kept", JSON.stringify({{ seen, state: hornet.state() }})));
  hornet.connect();
</script>
"""


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    return start_server(), start_server()


@pytest.fixture
async def balancer(nodes: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Balancer]:
    async with balancing(nodes[0].port) as started:
        yield started


@pytest.fixture
async def recorder(valkey: Valkey, nodes: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Recording]:
    async with recording(valkey.url) as started:
        yield started


@pytest.fixture
def channel(prefix: str) -> str:
    return f"{prefix}page"


@pytest.fixture
async def page(browser: Browser, balancer: Balancer, serve_page: Serve, channel: str) -> Page:
    """A page on the first node, which was let in."""
    opened = await browser.open(await serve_page(PAGE.format(hornet=balancer.url, channel=channel)))
    await opened.wait_for("told.length === 1")
    return opened


async def away(balancer: Balancer, page: Page) -> None:
    """Cut the page's connection, and refuse others."""
    balancer.port = None
    await balancer.cut()
    await page.wait_for("!hornet.connected")


async def seen(page: Page, count: int) -> Any:
    await page.wait_for(f"seen.length >= {count}")
    return await page.evaluate("seen")


@pytest.mark.parametrize("end", ["same-node", "other-node", "killed"])
async def test_a_page_misses_nothing_and_needs_no_token(
    page: Page,
    balancer: Balancer,
    nodes: tuple[ServerProcess, ServerProcess],
    recorder: Recording,
    channel: str,
    end: str,
) -> None:
    await recorder.number(channel, 1, 2)
    assert await seen(page, 2) == [1, 2]
    await away(balancer, page)
    if end == "killed":
        nodes[0].kill()
    await recorder.number(channel, 3, 4, 5)
    balancer.port = nodes[end != "same-node"].port
    await page.wait_for("told.length === 2")
    await recorder.number(channel, 6)
    assert await seen(page, 6) == [1, 2, 3, 4, 5, 6]
    assert await page.evaluate("told") == [["connected", False], ["connected", True]]
    assert await page.evaluate("tokens") == 1


async def test_a_page_that_was_loaded_again_goes_on_where_it_was(
    page: Page,
    balancer: Balancer,
    nodes: tuple[ServerProcess, ServerProcess],
    recorder: Recording,
    channel: str,
) -> None:
    await recorder.number(channel, 1, 2)
    assert await seen(page, 2) == [1, 2]
    balancer.port = nodes[1].port
    await page.evaluate("(globalThis.isOld = true, setTimeout(() => location.reload()))")
    await recorder.number(channel, 3, 4)
    await page.wait_for("typeof told !== 'undefined' && !globalThis.isOld && told.length === 1")
    await recorder.number(channel, 5)
    assert await seen(page, 5) == [1, 2, 3, 4, 5]
    assert await page.evaluate("[told, tokens]") == [[["connected", True]], 0]


async def test_a_page_whose_session_is_gone_is_told_and_gets_a_new_token(
    page: Page,
    balancer: Balancer,
    nodes: tuple[ServerProcess, ServerProcess],
    recorder: Recording,
    redis: Redis,
    channel: str,
) -> None:
    await away(balancer, page)
    records = [key async for key in redis.scan_iter("{hornet:sessions}:*")]
    assert await redis.delete(*records) > 0
    await recorder.number(channel, 1)
    balancer.port = nodes[1].port
    await page.wait_for("told.length === 3")
    gap = ["gap", [channel], "not_recovered"]
    assert await page.evaluate("told") == [["connected", False], gap, ["connected", False]]
    assert await page.evaluate("tokens") == 2
    is_in = "new Promise((resolve) => hornet.socket.emit('hornet:session', resolve))"
    assert await page.evaluate(is_in) == {"ok": True, "authenticated": True}
    await recorder.number(channel, 2)
    assert await seen(page, 1) == [2]


async def test_a_page_is_told_of_plain_messages_that_only_a_killed_node_heard(
    page: Page,
    balancer: Balancer,
    nodes: tuple[ServerProcess, ServerProcess],
    recorder: Recording,
    channel: str,
) -> None:
    await recorder.plain(channel_topic(channel), {"type": "1"})
    assert await seen(page, 1) == [1]
    await away(balancer, page)
    await recorder.plain(channel_topic(channel), {"type": "2"})
    nodes[0].kill()
    balancer.port = nodes[1].port
    await page.wait_for("told.length === 3")
    gap = ["gap", [channel], "plain_messages"]
    assert await page.evaluate("told") == [["connected", False], gap, ["connected", False]]
    assert await page.evaluate("tokens") == 1
    await recorder.number(channel, 3)
    assert await seen(page, 2) == [1, 3]


async def test_a_message_with_a_field_position_keeps_it(
    page: Page, recorder: Recording, channel: str
) -> None:
    await page.evaluate(f"hornet.on('{channel}', '1', (message) => (globalThis.last = message)), true")
    await recorder.record(channel_topic(channel), {"type": "1", "position": "left"})
    assert await seen(page, 1) == [1]
    last = await page.evaluate("last")
    assert last["position"] == "left"
    assert (await page.evaluate("hornet.state()"))["position"] == last["hornet:position"]


NOTIFIED = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  const orders = [], told = [];
  const hornet = new Hornet({{ uri: "{hornet}", channels: "{channel}", token: "{token}",
                             reconnectionDelay: 20, reconnectionDelayMax: 200 }});
  hornet.onNotification("order paid", ({{ order }}) => orders.push(order));
  hornet.on("hornet", "connected", ({{ recovered }}) => told.push(recovered === true));
  hornet.connect();
</script>
"""


async def test_a_notification_comes_once(
    browser: Browser,
    balancer: Balancer,
    nodes: tuple[ServerProcess, ServerProcess],
    serve_page: Serve,
    valkey: Valkey,
    channel: str,
) -> None:
    async with AsyncConnector(valkey.url) as connector:
        token = await connector.create_access_token(channel, user="ana")
        text = NOTIFIED.format(hornet=balancer.url, channel=channel, token=token)
        page = await browser.open(await serve_page(text))
        await page.wait_for("told.length === 1")
        await connector.notify("ana", "order paid", {"order": 1})
        await page.wait_for("orders.length === 1")
        await away(balancer, page)
        balancer.port = nodes[1].port
        await page.wait_for("told.length === 2")
        await connector.notify("ana", "order paid", {"order": 2})
        await page.wait_for("orders.includes(2)")
        assert await page.evaluate("orders") == [1, 2]
