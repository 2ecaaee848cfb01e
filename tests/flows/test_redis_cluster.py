"""Two nodes on a real Redis Cluster of three masters: all that works on one server."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pytest_asyncio import fixture
from redis import Redis as SyncRedis

from hornet.connector import sign_channel
from tests.broker.servers import RedisServer
from tests.broker.test_client import cluster_of
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode

SECRET = "a long random secret"
PATTERN = {"kind": "news", "channel": "CNN"}


class Pair:
    """Two nodes on one cluster, asked over HTTP."""

    def __init__(self, nodes: list[Running], http: aiohttp.ClientSession) -> None:
        self.nodes = nodes
        self.clients: list[Client] = []
        self._http = http

    async def ask(self, method: str, path: str, body: object = None, node: int = 0, **headers: str) -> Any:
        url = self.nodes[node].url + path
        async with self._http.request(method, url, json=body, headers=headers) as response:
            answer = await response.json()
            assert response.status < 400, answer
            return answer

    async def status(self, method: str, path: str, body: object) -> int:
        async with self._http.request(method, self.nodes[0].url + path, json=body) as response:
            return response.status

    async def enter(self, node: int, *channels: str, **carried: Any) -> Client:
        """A client of that node, let in by a token that the other one made."""
        made = await self.ask("POST", "/api/tokens", {"channels": channels, **carried}, 1 - node)
        client = await self.nodes[node].connect(auth={"token": made["token"], "channels": channels})
        self.clients.append(client)
        answer = await client.message()
        assert answer["type"] == "connected", answer
        return client


@fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[tuple[str, list[RedisServer]]]:
    """The URL and the servers of a cluster. A cluster takes two seconds to begin, so the tests share it."""
    servers: list[RedisServer] = []

    def start(*options: str, port: int | None = None) -> RedisServer:
        servers.append(server := RedisServer(*options, port=port))
        return server

    try:
        async with cluster_of(3)(start) as url:
            yield url, servers
    finally:
        for server in servers:
            server.remove()


@pytest.fixture
def servers(cluster: tuple[str, list[RedisServer]]) -> list[RedisServer]:
    """The servers of the cluster, empty and without the subscriptions of the test before."""
    _, servers = cluster
    for server in servers:
        with SyncRedis(port=server.port) as client:
            client.client_kill_filter(_type="pubsub")
            client.flushall()
    return servers


@pytest.fixture
async def pair(
    cluster: tuple[str, list[RedisServer]], servers: list[RedisServer], start_node: StartNode
) -> AsyncIterator[Pair]:
    url, _ = cluster
    async with aiohttp.ClientSession() as http:
        options = {
            "channel_secrets": SECRET,
            "public_patterns": True,
            "user_grace": 0.5,
            "redis_timeout": 1.0,
            "redis_heartbeat": 1.0,
        }
        nodes = [await start_node(redis=url, **options) for _ in range(2)]
        pair = Pair(nodes, http)
        yield pair
        for client in pair.clients:  # a node that stops would wait for those who don't answer its close frame
            await client.leave()
        for node in nodes:
            await node.stop()


async def test_tokens_and_messages(pair: Pair) -> None:
    channels = [f"channel{number}" for number in range(20)]  # in all parts of the cluster
    clients = [await pair.enter(number % 2, channel) for number, channel in enumerate(channels)]
    await pair.ask("POST", "/api/publish", {"channels": channels, "type": "all"})
    messages = [{"channels": [channel], "type": "one"} for channel in channels]
    await pair.ask("POST", "/api/publish/batch", {"messages": messages}, 1)
    await pair.ask("POST", "/api/publish", {"channels": channels, "type": "end"})
    for client in clients:
        assert [(await client.message())["type"] for _ in range(3)] == ["all", "one", "end"]
    made = await pair.ask("POST", "/api/tokens", {"channels": ["a"]})
    await pair.ask("POST", "/api/tokens/revoke", {"tokens": [made["token"]]})
    late = await pair.nodes[0].connect(auth={"token": made["token"], "channels": ["a"]})
    pair.clients.append(late)
    assert (await late.message())["error"] == "INVALID_TOKEN"


async def test_what_is_published_on_a_channel_stays_in_order(pair: Pair) -> None:
    clients = [await pair.enter(number % 2, "a", "b") for number in range(2)]
    kinds = [f"number{number}" for number in range(200)]
    for at in range(0, 100, 4):
        for kind in kinds[at : at + 2]:
            await pair.ask("POST", "/api/publish", {"channels": ["a"], "type": kind}, at % 2)
        both = [{"channels": ["b", "a"], "type": kind} for kind in kinds[at + 2 : at + 4]]
        await pair.ask("POST", "/api/publish/batch", {"messages": both})
    for client in clients:
        heard = [message["type"] for _ in range(150) if (message := await client.message())["channel"] == "a"]
        assert heard == kinds[:100]


async def test_two_publishes_with_one_idempotency_key_are_delivered_once(pair: Pair) -> None:
    clients = [await pair.enter(number % 2, "a", "b") for number in range(2)]
    once = {"Idempotency-Key": "k"}
    for node in (0, 1):
        body = {"channels": ["a", "b"], "type": "once"}
        answer = await pair.ask("POST", "/api/publish", body, node, **once)
        assert answer.get("replayed", False) == bool(node)
    for client in clients:
        assert {(await client.message())["channel"] for _ in range(2)} == {"a", "b"}
    await pair.ask("POST", "/api/publish", {"channels": ["a"], "type": "end"})
    for client in clients:
        assert (await client.message())["type"] == "end"


async def test_what_nodes_know_together(pair: Pair) -> None:
    clients = [await pair.enter(node, "shared", f"own{node}") for node in range(2)]
    listed = await pair.ask("GET", "/api/channels")
    assert {one["channel"]: one["sessions"] for one in listed["channels"]} == {
        "shared": 2,
        "own0": 1,
        "own1": 1,
    }
    sessions = await pair.ask("GET", "/api/sessions", node=1)
    assert {one["session"] for one in sessions["sessions"]} == {client.sid for client in clients}
    await pair.ask("POST", "/api/disconnect", {"sessions": [clients[1].sid]})
    await clients[1].expect_closed()


async def test_patterns(pair: Pair) -> None:
    clients = [await pair.enter(node, "a") for node in range(2)]
    for client in clients:
        for shown in (
            {"pattern": PATTERN},
            {"pattern": {**PATTERN, "kind": "*"}},
            {"pattern": {"kind": "news"}, "subset": True},
        ):
            assert (await client.ask("hornet:subscribe", shown))["ok"]
    await pair.ask("POST", "/api/publish/pattern", {"pattern": PATTERN, "payload": {"type": "x"}})
    await pair.ask("POST", "/api/publish", {"channels": ["a"], "type": "end"})
    for client in clients:
        heard = []
        while (message := await client.message())["type"] != "end":
            heard.append(message["pattern"])
        assert sorted(heard) == ["channel:CNN|kind:*", "channel:CNN|kind:news", "kind:news|*"]


async def test_presence(pair: Pair) -> None:
    rooms = [f"private-{number}" for number in range(6)]  # in all parts of the cluster
    first, second = [await pair.enter(node, "a") for node in range(2)]

    async def join(client: Client, room: str, name: str) -> list[str]:
        answer = await client.ask("hornet:subscribe", sign_channel(SECRET, client.sid, room, {"id": name}))
        return sorted(member["id"] for member in answer["members"])

    for room in rooms:
        assert await join(first, room, "ann") == ["ann"]
        assert await join(second, room, "ben") == ["ann", "ben"]
        message = await first.message()
        assert (message["type"], message["channel"]) == ("presence-add", room)
    await second.leave()
    gone = [await first.message() for _ in rooms]
    assert {(one["type"], one["channel"]) for one in gone} == {("presence-quit", room) for room in rooms}


async def test_users(pair: Pair) -> None:
    users = [f"user{number}" for number in range(6)]
    for user in users:
        await pair.ask("POST", f"/api/users/{user}/subscribe", {"channels": [f"of-{user}"]})
    clients = {user: [await pair.enter(node, "a", user=user) for node in range(2)] for user in users}
    await pair.ask("POST", "/api/publish/users", {"users": users, "event": "hello", "payload": 1}, 1)
    for user, sessions in clients.items():
        await pair.ask("POST", "/api/publish", {"channels": [f"of-{user}"], "type": "own"})
        for client in sessions:
            assert await client.event() == ("hello", 1)
            assert (await client.message())["type"] == "own"
    listed = await pair.ask("GET", "/api/users")
    assert (sorted(listed["users"]), listed["online"]) == (users, len(users))
    one = await pair.ask("GET", "/api/users/user0", node=1)
    assert len(one["sessions"]) == 2
    await pair.ask("POST", "/api/users/user0/unsubscribe", {"channels": ["of-user0"]})
    await pair.ask("POST", "/api/disconnect/users", {"users": ["user1"]})
    for client in clients["user1"]:
        assert (await client.message())["error"] == "USER_DISCONNECTED"
    for client in clients["user2"]:
        await client.leave()

    async def online() -> set[str]:
        return set((await pair.ask("GET", "/api/users"))["users"])

    await eventually(online, set(users) - {"user1", "user2"})


async def test_a_node_that_dies_takes_its_members_and_users_with_it(pair: Pair) -> None:
    """What the other one does is what it would do for a stranger's id."""
    first, second = [await pair.enter(node, "a", user=f"user{node}") for node in range(2)]
    for client, name in ((first, "ann"), (second, "ben")):
        assert (
            await client.ask("hornet:subscribe", sign_channel(SECRET, client.sid, "private-a", {"id": name}))
        )["ok"]
    assert (await first.message())["type"] == "presence-add"
    survivor, dead = (running.node for running in pair.nodes)
    for remove_dead_node in survivor.nodes._on_node_dead:
        await remove_dead_node(dead.nodes.id)
    assert (await first.message())["type"] == "presence-quit"


async def test_a_server_that_dies_and_comes_back(pair: Pair, servers: list[RedisServer]) -> None:
    """The first one has the subscriptions of both nodes, too: those go to another."""
    channels = [f"channel{number}" for number in range(12)]  # in all parts of the cluster
    clients = [await pair.enter(node, *channels) for node in range(2)]
    unavailable = 0
    for server in servers:
        server.kill()

        async def published(kind: str) -> set[int]:
            """With which status each channel answered."""
            statuses = set()
            for channel in channels:
                body = {"channels": [channel], "type": kind}
                statuses.add(await pair.status("POST", "/api/publish", body))
            return statuses

        unavailable += 503 in await published("lost")
        server.start()

        async def is_ready() -> set[str]:
            return {(await node.get("/health/ready"))["status"] for node in pair.nodes}

        await eventually(lambda: published("early"), {200})
        await eventually(is_ready, {"ready"})
    assert unavailable >= 1  # while the server was down that keeps the history of all channels
    for channel in channels:
        assert await pair.status("POST", "/api/publish", {"channels": [channel], "type": "end"}) == 200
    for client in clients:
        heard = Counter[str]()
        while heard["end"] < len(channels):
            heard[(await client.message())["type"]] += 1
        assert heard["end"] == len(channels)
