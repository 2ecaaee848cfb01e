"""A node that is told to stop lets its clients move to another node, and takes no new clients."""

import asyncio
import json
import signal

import aiohttp

from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.resilience.conftest import CHANNEL, Watch


async def test_a_server_that_stops_is_not_ready_and_refuses_new_clients(
    own_redis: RedisServer, watch: Watch
) -> None:
    watched = await watch(own_redis.url, "--drain-window", "60")
    clients = [await watched.connect(await watched.token()) for _ in range(3)]
    assert await watched.readiness() == (200, "ready")  # and this connection stays open
    watched.server.process.send_signal(signal.SIGTERM)
    await eventually(watched.readiness, (503, "stopping"))
    async with watched.http.get(f"{watched.server.url}/socket.io/?EIO=4&transport=polling") as response:
        assert response.status == 503
        assert (await response.json())["reason"] == "STOPPING"
    for client in clients:
        assert await client.event() == ("hermes:shutdown", {})
        assert (await client.message())["type"] == "shutdown"
    assert await watched.metric('hornet_connections_refused_total{reason="STOPPING"}') == 1
    watched.server.process.send_signal(signal.SIGTERM)  # the rest of the minute is not waited for


async def poll(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def test_clients_that_poll_are_told_and_let_go_over_the_window_on_a_connection_for_each_request(
    own_redis: RedisServer, watch: Watch, program: tuple[str, ...]
) -> None:
    """As behind a balancer that keeps no connection."""
    watched = await watch(own_redis.url, "--drain-window", "1", program=program)
    endpoint = f"{watched.server.url}/socket.io/?EIO=4&transport=polling"
    loop = asyncio.get_running_loop()
    waiting = asyncio.Semaphore(0)

    async def follow(http: aiohttp.ClientSession) -> tuple[str, float, float]:
        """Poll until the close packet; return all that came, and when the announcement and the end came."""
        opened = await poll(http, endpoint)
        url = f"{endpoint}&sid={json.loads(opened[1:])['sid']}"
        async with http.post(url, data="40") as response:
            assert response.status == 200
        assert (await poll(http, url)).startswith("40")
        waiting.release()
        told_at, heard = 0.0, ""
        while True:
            text = await poll(http, url)
            heard += text
            if "hermes:shutdown" in text:
                told_at = loop.time()
            if text == "1":
                return heard, told_at, loop.time()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        following = [asyncio.create_task(follow(http)) for _ in range(10)]
        for _ in following:
            await waiting.acquire()
        watched.server.process.send_signal(signal.SIGTERM)
        await eventually(watched.readiness, (503, "stopping"))
        async with http.get(endpoint) as refused:
            assert (refused.status, (await refused.json())["reason"]) == (503, "STOPPING")
        ends = await asyncio.gather(*following)
    assert all("hermes:shutdown" in heard for heard, _, _ in ends)
    gone = [at for _, _, at in ends]
    assert max(gone) - min(gone) > 0.5, "they were let go all at once"
    assert await asyncio.to_thread(watched.server.wait) == 0


async def test_clients_leave_one_after_the_other_and_meet_again_on_the_next_node(
    own_redis: RedisServer, watch: Watch
) -> None:
    old = await watch(own_redis.url, "--drain-window", "1")
    new = await watch(own_redis.url)
    clients = [await old.connect(await old.token()) for _ in range(10)]
    old.server.process.send_signal(signal.SIGTERM)
    loop = asyncio.get_running_loop()
    gone: list[float] = []

    async def follow(client: Client) -> Client:
        await client.closed()
        gone.append(loop.time())
        return await new.connect(await new.token())

    moved = await asyncio.gather(*map(follow, clients))
    assert max(gone) - min(gone) > 0.5, "they were let go all at once"
    assert await asyncio.to_thread(old.server.wait) == 0
    assert await new.metric("hornet_sessions") == len(moved)
    assert await new.publish("hello") == 1
    for client in moved:
        assert (await client.message())["channel"] == CHANNEL
