"""Stock clients come back after their connection was lost: with the same ids, and with what they missed."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic, user_topic
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.balancer import Balancer, balancing
from tests.e2e.node_client import POLLING, UPGRADE, WEBSOCKET, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.flows.recovery.publishing import Recording, recording

TRANSPORTS = {"polling": POLLING, "websocket": WEBSOCKET, "upgrade": UPGRADE}

PACE_S = 0.005
"""Between two messages of a stream, so that it does not outgrow what one session gets at once."""


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    window = ("--drain-window", "4")
    return start_server(*window), start_server(*window)


@pytest.fixture
async def balancer(nodes: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Balancer]:
    async with balancing(port_of(nodes[0])) as started:
        yield started


@pytest.fixture
async def recorder(valkey: Valkey, nodes: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Recording]:
    async with recording(valkey.url) as started:
        yield started


def port_of(node: ServerProcess) -> int:
    port = urlsplit(node.url).port
    assert port is not None
    return port


async def message(client: NodeClient) -> dict[str, Any]:
    """Return the next message, without the offset behind it."""
    text, offset = (await client.next("event", "message")).args
    assert offset
    body: dict[str, Any] = json.loads(text)
    return body


async def admitted(
    clients: NodeClients, balancer: Balancer, token: str, *channels: str, **options: Any
) -> NodeClient:
    client = await clients.connect(
        balancer.url,
        reconnectionDelay=10,
        reconnectionDelayMax=200,
        auth={"recover": True, "token": token, "channels": channels},
        **options,
    )
    assert (await message(client))["type"] == "connected"
    return client


async def numbers_until(client: NodeClient, last: str) -> tuple[list[int], dict[str, Any]]:
    """Return the numbers until a message of the type ``last``, and that message."""
    numbers: list[int] = []
    while (body := await message(client))["type"] != last:
        if body["type"].isdecimal():
            numbers.append(int(body["type"]))
    return numbers, body


async def come_back(client: NodeClient) -> tuple[list[int], dict[str, Any]]:
    """Wait for the client's return; return what it missed, and the answer."""
    await client.next("connect")
    return await numbers_until(client, "connected")


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("kind", ["recorded", "plain"])
async def test_a_client_gets_what_it_missed_on_the_same_node(
    clients: NodeClients,
    balancer: Balancer,
    recorder: Recording,
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
    kind: str,
) -> None:
    channel = f"{prefix}news"
    publish = recorder.record if kind == "recorded" else recorder.plain
    client = await admitted(clients, balancer, await backend.token(channel), channel, transports=transports)
    before = await client.state()
    await publish(channel_topic(channel), {"type": "1"})
    assert (await message(client))["type"] == "1"
    port, balancer.port = balancer.port, None
    await balancer.cut()
    await client.next("disconnect")
    await publish(channel_topic(channel), *({"type": str(number)} for number in range(2, 12)))
    balancer.port = port
    missed, answer = await come_back(client)
    assert missed == list(range(2, 12))
    assert answer["recovered"] is True
    after = await client.state()
    assert (after["recovered"], after["id"], after["pid"]) == (True, before["id"], before["pid"])
    await publish(channel_topic(channel), {"type": "12"})
    assert (await message(client))["type"] == "12"


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("end", ["alive", "killed"])
async def test_a_client_gets_what_was_recorded_on_another_node(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    recorder: Recording,
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
    end: str,
) -> None:
    channels = [f"{prefix}news", f"{prefix}sport"]
    client = await admitted(
        clients, balancer, await backend.token(*channels), *channels, transports=transports
    )
    before = await client.state()
    for number in range(1, 5):
        await recorder.number(channels[number % 2], number)
        assert (await message(client))["type"] == str(number)
    balancer.port = None
    if end == "killed":
        nodes[0].kill()
    await balancer.cut()
    await client.next("disconnect")
    for number in range(5, 15):
        await recorder.number(channels[number % 2], number)
    balancer.port = port_of(nodes[1])
    missed, answer = await come_back(client)
    assert missed == list(range(5, 15))
    assert answer["recovered"] is True
    after = await client.state()
    assert (after["recovered"], after["id"]) == (True, before["id"])
    await recorder.number(channels[0], 15)
    assert (await message(client))["type"] == "15"


async def publish_stream(
    recorder: Recording, channels: list[str], stop: asyncio.Event, *, is_mixed: bool
) -> int:
    """Publish growing numbers on two channels in turn until ``stop``; return the last one."""
    number = 0
    while not stop.is_set():
        number += 1
        publish = recorder.record if is_mixed and number % 3 == 0 else recorder.plain
        await publish(channel_topic(channels[number % 2]), {"type": str(number)})
        await asyncio.sleep(PACE_S)
    return number


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("is_mixed", [False, True], ids=["plain", "mixed"])
@pytest.mark.parametrize("end", ["alive", "drains"])
async def test_a_client_gets_plain_messages_too_when_it_moves_from_a_living_node(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    recorder: Recording,
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
    is_mixed: bool,
    end: str,
) -> None:
    channels = [f"{prefix}news", f"{prefix}sport"]
    client = await admitted(
        clients, balancer, await backend.token(*channels), *channels, transports=transports
    )
    before = await client.state()
    witness = await clients.connect(
        nodes[1].url, auth={"token": await backend.token(*channels), "channels": channels}
    )
    assert (await witness.event())["type"] == "connected"
    stop = asyncio.Event()
    publishing = asyncio.create_task(publish_stream(recorder, channels, stop, is_mixed=is_mixed))
    assert (await message(client))["type"] == "1"
    balancer.port = None
    if end == "drains":
        nodes[0].process.send_signal(signal.SIGTERM)
    else:
        await balancer.cut()
    await client.next("disconnect")
    for _ in range(20):
        await witness.event()
    balancer.port = port_of(nodes[1])
    await client.next("connect")
    missed, answer = await numbers_until(client, "connected")
    stop.set()
    last = await publishing
    await recorder.plain(channel_topic(channels[0]), {"type": "last"})
    later, _ = await numbers_until(client, "last")
    assert answer["recovered"] is True
    assert [*missed, *later] == list(range(2, last + 1))
    after = await client.state()
    assert (after["recovered"], after["id"]) == (True, before["id"])
    if end == "drains":
        assert nodes[0].wait() == 0


async def test_a_client_moves_before_its_node_knows_that_the_connection_is_lost(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    recorder: Recording,
    backend: Backend,
    prefix: str,
) -> None:
    channel = f"{prefix}news"
    client = await admitted(clients, balancer, await backend.token(channel), channel)
    state = await client.state()
    await recorder.plain(channel_topic(channel), *({"type": str(number)} for number in range(1, 6)))
    assert (await numbers_until(client, "5"))[0] == [1, 2, 3, 4]
    auth = {"recover": True, "pid": state["pid"], "offset": state["offset"]}
    again = await clients.connect(nodes[1].url, auth=auth)
    missed, answer = await numbers_until(again, "connected")
    assert (missed, answer["recovered"]) == ([1, 2, 3, 4, 5], True)
    assert (await again.state())["id"] == state["id"]


async def test_a_client_is_told_of_plain_messages_that_a_killed_node_heard(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    recorder: Recording,
    backend: Backend,
    prefix: str,
) -> None:
    channel = f"{prefix}news"
    client = await admitted(clients, balancer, await backend.token(channel), channel)
    before = await client.state()
    balancer.port = None
    nodes[0].kill()
    await balancer.cut()
    await client.next("disconnect")
    await recorder.plain(channel_topic(channel), {"type": "1"})
    balancer.port = port_of(nodes[1])
    missed, answer = await come_back(client)
    assert missed == []
    assert answer["recovered"] is False
    after = await client.state()
    assert after["recovered"] is False
    assert after["id"] != before["id"]
    await recorder.plain(channel_topic(channel), {"type": "2"})
    assert (await message(client))["type"] == "2"


async def test_a_client_that_missed_nothing_recovers_again_and_again(
    clients: NodeClients, balancer: Balancer, recorder: Recording, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    client = await admitted(clients, balancer, await backend.token(channel), channel)
    before = await client.state()
    for number in range(1, 6):
        await balancer.cut()
        missed, answer = await come_back(client)
        assert (missed, answer["recovered"]) == ([], True)
        await recorder.number(channel, number)
        assert (await message(client))["type"] == str(number)
    assert (await client.state())["id"] == before["id"]


@pytest.mark.parametrize("how", ["tokens", "user"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["same node", "killed"])
async def test_nobody_comes_back_who_was_shut_out_meanwhile(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    backend: Backend,
    redis: Redis,
    prefix: str,
    how: str,
    is_killed: bool,
) -> None:
    channel, user = f"{prefix}news", f"{prefix}ana"
    token = await backend.token(channel)
    await redis.set(f"{{hornet:token:{token}}}:grant", json.dumps({"user": user}), ex=120)
    client = await admitted(clients, balancer, token, channel)
    port, balancer.port = balancer.port, None
    if is_killed:
        nodes[0].kill()
    await balancer.cut()
    await client.next("disconnect")
    if how == "tokens":
        await backend.disconnect_tokens(token)
    elif is_killed:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{nodes[1].url}/api/disconnect/users", json={"users": [user]}) as response,
        ):
            assert await response.json() == {"nodes": 0}
    else:
        assert await redis.publish(user_topic(user), '{"type": "disconnect"}') == 1
    balancer.port = port_of(nodes[1]) if is_killed else port
    await client.next("connect")
    assert (await message(client))["error"] == "INVALID_TOKEN"
    assert not (await client.state())["recovered"]


async def test_a_client_that_left_by_itself_does_not_come_back(
    clients: NodeClients, balancer: Balancer, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    client = await admitted(clients, balancer, await backend.token(channel), channel)
    await client.disconnect()
    await client.next("disconnect")
    await client.open()
    await client.next("connect")
    assert (await message(client))["error"] == "INVALID_TOKEN"
    assert not (await client.state())["recovered"]


async def test_a_made_up_pid_lets_nobody_in(
    clients: NodeClients, balancer: Balancer, nodes: tuple[ServerProcess, ServerProcess]
) -> None:
    client = await clients.connect(
        balancer.url, auth={"recover": True, "pid": "A" * 40, "offset": "abc-1-def-1"}
    )
    assert not (await client.state())["recovered"]
    assert (await client.call("hornet:publish", {}))[0]["error"]["code"] == "NOT_AUTHENTICATED"


async def test_only_and_except_count_for_what_was_missed(
    clients: NodeClients, balancer: Balancer, recorder: Recording, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    client = await admitted(clients, balancer, token, channel)
    sid = (await client.state())["id"]
    port, balancer.port = balancer.port, None
    await balancer.cut()
    await client.next("disconnect")
    await recorder.record(
        channel_topic(channel),
        {"type": "1", "only": token},
        {"type": "2", "only": "another"},
        {"type": "3", "except": [token]},
        {"type": "4", "except": "another"},
        {"type": "5", "only": [sid]},
    )
    balancer.port = port
    assert (await come_back(client))[0] == [1, 4, 5]


async def test_a_half_open_connection_ends_when_its_client_comes_back(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    backend: Backend,
    recorder: Recording,
    redis: Redis,
    prefix: str,
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    client = await admitted(clients, balancer, token, channel)
    await recorder.number(channel, 1)
    assert (await message(client))["type"] == "1"
    state = await client.state()
    async with redis.pubsub() as events:
        await events.subscribe("hornet:events:disconnect")
        await events.get_message(timeout=5)
        for node in (nodes[0], nodes[1], nodes[0]):
            again = await clients.connect(
                node.url, auth={"recover": True, "pid": state["pid"], "offset": state["offset"]}
            )
            assert (await again.state())["id"] == state["id"]
            assert (await client.next("disconnect")).name in ("transport close", "transport error")
            await client.disconnect()
            missed, answer = await numbers_until(again, "connected")
            assert (missed, answer["recovered"]) == ([], True)
            client = again
        await redis.publish("hornet:events:disconnect", "last")
        told = await events.get_message(ignore_subscribe_messages=True, timeout=5)
        assert told is not None
        assert told["data"] == b"last"
    await recorder.number(channel, 2)
    assert (await message(client))["type"] == "2"
