"""Users of stock clients, on real nodes that are killed without a word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from tests.conftest import StartServer, Valkey
from tests.e2e.node_client import LATEST, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import DEADLINE_S, eventually


@asynccontextmanager
async def told_of(valkey: Valkey, user: str) -> AsyncIterator["asyncio.Queue[tuple[str, dict[str, Any]]]"]:
    """What backends are told of one user from now on, by the connector."""
    queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
    names = ("user:online", "user:session", "user:gone")

    async def listen(connector: AsyncConnector) -> None:
        async for name, body in connector.subscribe(names):
            if body["user"] == user:
                queue.put_nowait((name, body))

    async with AsyncConnector(valkey.url) as connector, Redis.from_url(valkey.url) as redis:
        task = asyncio.create_task(listen(connector))
        topics = [f"hornet:events:{name}" for name in names]

        async def subscribed() -> bool:
            return all(number >= 1 for _, number in await redis.pubsub_numsub(*topics))

        await eventually(subscribed, True)
        yield queue
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def connected(
    clients: NodeClients, server: ServerProcess, backend: AsyncConnector, user: str, version: str
) -> NodeClient:
    client = await clients.connect(server.url, version=version, reconnection=False)
    await client.show(await backend.create_access_token(user=user))
    assert (await client.event())["type"] == "connected"
    return client


async def test_three_sockets_on_two_nodes_get_each_notification_once_each(
    clients: NodeClients, start_server: StartServer, valkey: Valkey, prefix: str
) -> None:
    one, other = start_server(), start_server()
    async with AsyncConnector(valkey.url) as backend:
        sockets = [
            await connected(clients, server, backend, prefix, version)
            for server, version in ((one, LATEST), (one, "2.5.0"), (other, "3.1.3"))
        ]
        for number in range(10):
            assert await backend.notify(prefix, "order paid", {"n": number}) == 2
        await backend.notify(prefix, "last", [])
        for socket in sockets:
            assert await socket.event("last") == []
            assert [one.args for one in socket.seen("event", "order paid")] == [
                ({"n": n},) for n in range(10)
            ]


async def test_after_a_node_was_killed_its_users_go_and_those_with_another_session_stay(
    clients: NodeClients, start_server: StartServer, valkey: Valkey, prefix: str
) -> None:
    options = ("--node-heartbeat", "0.2", "--user-grace", "0.3")
    living, killed = start_server(*options), start_server(*options)
    async with (
        AsyncConnector(valkey.url) as backend,
        told_of(valkey, prefix) as told,
        Redis.from_url(valkey.url) as redis,
    ):
        both = f"{prefix}-both"
        for server, user in ((killed, prefix), (killed, both), (living, both)):
            await connected(clients, server, backend, user, LATEST)
        assert (await told.get())[0] == "user:online"
        killed.kill()
        async with asyncio.timeout(DEADLINE_S):
            assert await told.get() == ("user:gone", {"user": prefix})
        assert not await backend.is_online(prefix)
        assert await backend.is_online(both)
        left = await redis.hgetall(f"{{hornet:users}}:sessions:{both}")
        assert len(left) == 1
        assert await redis.exists(f"{{hornet:users}}:sessions:{prefix}") == 0
        [node] = {json.loads(session)["node"] for session in left.values()}
        assert await redis.keys("{hornet:users}:node:*") == [f"{{hornet:users}}:node:{node}".encode()]


async def test_a_user_who_reconnects_to_another_node_in_time_was_never_gone(
    clients: NodeClients, start_server: StartServer, valkey: Valkey, prefix: str
) -> None:
    options = ("--node-heartbeat", "0.2", "--user-grace", "30")
    living, killed = start_server(*options), start_server(*options)
    async with AsyncConnector(valkey.url) as backend, told_of(valkey, prefix) as told:
        await backend.subscribe_user(prefix, f"{prefix}news")
        await connected(clients, killed, backend, prefix, LATEST)
        assert (await told.get())[0] == "user:online"
        killed.kill()
        back = await connected(clients, living, backend, prefix, LATEST)
        await backend.publish(f"{prefix}news", "hello")
        assert (await back.event())["type"] == "hello"

        async def sessions() -> int:
            return int(await backend.redis.hlen(f"{{hornet:users}}:sessions:{prefix}"))

        await eventually(sessions, 1)
        await backend.redis.publish("hornet:events:user:gone", json.dumps({"user": prefix, "last": True}))
        name, body = await told.get()
        if name == "user:session":  # it was back before the other session was found to be dead
            name, body = await told.get()
        assert (name, body) == ("user:gone", {"user": prefix, "last": True})
