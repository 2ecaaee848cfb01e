"""After any trouble with Redis a client has all that it had, and receives nothing twice."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.connector import AsyncConnector, sign_channel
from hornet.core import codes
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, SentinelServer
from tests.e2e.server import free_port
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.resilience.conftest import CHANNEL, END, Watch, Watched

SECRET = "a long random secret"
ROOM = "private-room"
PATTERN = {"kind": "news", "channel": "CNN"}
OPTIONS = ("--channel-secrets", SECRET, "--public-patterns", "--user-grace", "1")
SERVICE = "test-service"

Trouble = Callable[[RedisServer, Watched], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    redis.kill()
    await watched.becomes_unready()
    yield
    redis.start()


@asynccontextmanager
async def paused(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    redis.pause()
    try:
        await watched.becomes_unready()
        yield
    finally:
        redis.resume()


@asynccontextmanager
async def login_refused(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    async with Redis.from_url(redis.url, single_connection_client=True) as admin:
        await admin.config_set("requirepass", "another")
        await admin.execute_command("AUTH", "another")
        for kind in ("normal", "pubsub"):
            await admin.client_kill_filter(_type=kind, skipme=True)
        await watched.becomes_unready()
        yield
        await admin.config_set("requirepass", "")


@asynccontextmanager
async def loading(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    """Redis is back, but reads its data first. Meanwhile it passes publishes on, and does nothing else."""
    async with Redis.from_url(redis.url) as admin:
        await admin.mset({f"key{number}": "x" for number in range(2000)})
        await admin.save()
    redis.kill()
    await watched.becomes_unready()
    redis.launch("--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024")
    await asyncio.to_thread(watched.server.wait_for_output, "still loads its data")
    await watched.becomes_unready()
    yield


@asynccontextmanager
async def no_more_connections(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    """The subscription's connection stays, but Redis takes no connection for commands."""
    async with Redis.from_url(redis.url, single_connection_client=True) as admin:
        before = str((await admin.config_get("maxclients"))["maxclients"])
        await admin.config_set("maxclients", "1")
        await admin.client_kill_filter(_type="normal", skipme=True)
        await watched.becomes_unready()
        yield
        await admin.config_set("maxclients", before)


@asynccontextmanager
async def read_only(redis: RedisServer, watched: Watched) -> AsyncIterator[None]:
    async with Redis.from_url(redis.url) as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", free_port())
        await watched.becomes_unready()
        yield
        await admin.execute_command("REPLICAOF", "NO", "ONE")


TROUBLES: dict[str, Trouble] = {
    "killed": killed,
    "paused": paused,
    "login refused": login_refused,
    "loading": loading,
    "no more connections": no_more_connections,
    "read only": read_only,
}


async def let_in(watched: Watched, user: str) -> Client:
    """Connect a client that has all that a client may have."""
    async with AsyncConnector(watched.url) as backend:
        await backend.subscribe_user(user, [f"of-{user}"])
        token = await backend.create_access_token([CHANNEL], user=user)
    client = await watched.enter({"token": token, "channels": [CHANNEL]})
    assert (await client.message())["type"] == "connected"
    assert (await client.ask("hornet:subscribe", {"pattern": PATTERN}))["ok"]
    assert (await client.ask("hornet:subscribe", {"pattern": {**PATTERN, "channel": "*"}}))["ok"]
    await be_present(client, user)
    return client


async def be_present(client: Client, name: str) -> list[str]:
    answer = await client.ask("hornet:subscribe", sign_channel(SECRET, client.sid, ROOM, {"id": name}))
    return sorted(member["id"] for member in answer["members"])


async def publish_everywhere(watched: Watched, type: str) -> Counter[int]:
    """Publish in each way that HTTP has, each with a key, and return how often each status came."""
    bodies: dict[str, dict[str, Any]] = {
        "/api/publish": {"channels": [CHANNEL, "of-ann", ROOM], "type": type},
        "/api/publish/pattern": {"pattern": PATTERN, "payload": {"type": type}},
        "/api/publish/users": {"users": ["ann"], "event": type},
    }
    asked = (
        watched.ask("POST", path, body, f"{type}-{number}")
        for number, (path, body) in enumerate(bodies.items())
    )
    return Counter(await asyncio.gather(*asked))


def expected(type: str) -> Counter[str]:
    """Return what a client receives of :func:`publish_everywhere`, each once."""
    both = ("channel:CNN|kind:news", "channel:*|kind:news")
    return Counter([type, *(f"{type} in {name}" for name in (CHANNEL, "of-ann", ROOM, *both))])


async def hear(client: Client) -> str:
    """Return the next event in a few words: what happened, and where or who."""
    name, body = await client.event()
    if name != "message":
        return name
    message = json.loads(body)
    who = "+".join(member["id"] for member in message.get("members", ()))
    return f"{message['type']} in {who or message.get('pattern') or message['channel']}"


async def hear_until(client: Client, last: str) -> Counter[str]:
    heard = Counter[str]()
    while True:
        heard[event := await hear(client)] += 1
        if event == last:
            return heard


async def check_all_is_back(watched: Watched, client: Client) -> None:
    """Check that the client has all it had. What was published during the trouble may come late, but once."""
    await watched.becomes_ready()

    async def ann() -> tuple[bool, int, list[str]]:
        user = await watched.get("/api/users/ann")
        return user.get("online"), len(user.get("sessions", ())), user.get("channels")

    await eventually(ann, (True, 1, ["of-ann"]))
    assert await publish_everywhere(watched, "after") == {200: 3}
    other = await watched.enter({"token": await watched.token(), "channels": [CHANNEL]})
    assert (await other.message())["type"] == "connected"
    assert await be_present(other, "ben") == ["ann", "ben"]
    await other.leave()
    heard = await hear_until(client, "presence-quit in ben")
    await watched.post(END)
    heard += await hear_until(client, f"{END} in {CHANNEL}")
    late = {event: heard.pop(event) for event in expected("lost") if event in heard}
    assert heard == expected("after") + Counter(
        ["presence-add in ben", "presence-quit in ben", f"{END} in {CHANNEL}"]
    )
    assert all(count == 1 for count in late.values())


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_all_comes_back(own_redis: RedisServer, watch: Watch, trouble: Trouble) -> None:
    watched = await watch(own_redis.url, *OPTIONS)
    client, unused = await let_in(watched, "ann"), await watched.token()
    async with trouble(own_redis, watched):
        assert await publish_everywhere(watched, "lost") == {503: 3}
        stranger = await watched.enter({"token": unused, "channels": [CHANNEL]})
        assert (await stranger.message())["error"] == codes.UNAVAILABLE
        assert await watched.ask("GET", "/api/users/ann") == (200 if trouble is read_only else 503)
        assert await watched.metric("hornet_sessions") == 2
    await check_all_is_back(watched, client)
    assert await watched.metric("hornet_task_restarts_total") == 0
    assert await watched.metric("hornet_unhandled_errors_total") == 0


async def test_all_comes_back_after_a_failover(start_redis: StartRedis, watch: Watch) -> None:
    master = start_redis()
    replica = start_redis("--replicaof", f"127.0.0.1 {master.port}", "--replica-priority", "1")
    async with Redis(port=replica.port, decode_responses=True) as asked:

        async def link() -> str:
            return str((await asked.info("replication"))["master_link_status"])

        await eventually(link, "up")
    sentinel = SentinelServer(master, SERVICE)
    try:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/0/{SERVICE}"
        watched = await watch(url, *OPTIONS, backend=master.url)
        client = await let_in(watched, "ann")
        async with Redis(port=sentinel.port) as asked, Redis(port=master.port) as first:

            async def replicas() -> int:
                return len(await asked.execute_command("SENTINEL SLAVES", SERVICE))

            await eventually(replicas, 1)
            await first.execute_command("WAIT", 1, 5000)  # what the client has is on the replica
        master.kill()
        assert await publish_everywhere(watched, "lost") == {503: 3}
        await watched.becomes_unready()
        watched.url = replica.url
        await check_all_is_back(watched, client)
    finally:
        sentinel.remove()


async def test_full(own_redis: RedisServer, watch: Watch) -> None:
    """Whatever writes nothing to Redis goes on. The rest is refused, and not half done."""
    watched = await watch(own_redis.url, *OPTIONS)
    client = await let_in(watched, "ann")
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("maxmemory", "1")
        assert await watched.post("without a key") == 200
        assert await publish_everywhere(watched, "lost") == {503: 3}, "a key is to be remembered"
        assert await watched.readiness() == (200, "ready")
        await admin.config_set("maxmemory", "0")
    for _ in range(2):
        assert await publish_everywhere(watched, "lost") == {200: 3}
    await watched.post(END)
    once = Counter([f"without a key in {CHANNEL}", f"{END} in {CHANNEL}"])
    assert await hear_until(client, f"{END} in {CHANNEL}") == expected("lost") + once
