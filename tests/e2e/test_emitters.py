"""Processes with Socket.IO's own emitters reach Hornet's clients."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import socketio
from redis.asyncio import Redis

from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import DEADLINE_S

Emit = Callable[..., None]


@pytest.fixture
def emit(node: Path, js_modules: Path, valkey: Valkey) -> Emit:
    """Emits as a Node backend does, by the real ``@socket.io/redis-emitter``."""

    def run(*emits: dict[str, Any]) -> None:
        done = subprocess.run(
            [node, js_modules.parent / "emitter.mjs", valkey.url],
            input="".join(json.dumps(one) + "\n" for one in emits),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert done.stdout.strip() == "done", done.stderr

    return run


async def admitted(
    clients: NodeClients, server: ServerProcess, backend: Backend, *channels: str, **options: Any
) -> NodeClient:
    token = await backend.token(*channels)
    client = await clients.connect(server.url, auth={"token": token, "channels": channels}, **options)
    assert (await client.event())["type"] == "connected"
    return client


@pytest.mark.parametrize("parser", [None, "socket.io-msgpack-parser"])
async def test_an_emit_to_a_room_reaches_the_channel_of_that_name_on_every_node(
    clients: NodeClients,
    start_server: StartServer,
    backend: Backend,
    emit: Emit,
    prefix: str,
    parser: str | None,
) -> None:
    nodes = start_server(), start_server()
    inside = [await admitted(clients, server, backend, prefix, parser=parser) for server in nodes]
    outside = await admitted(clients, nodes[0], backend, prefix + "2", parser=parser)
    data = {"text": "ž 🐎", "n": [1, 2.5, None], "at": {"$date": "2026-11-24T12:00:00.250Z"}}
    await asyncio.to_thread(
        emit,
        {"rooms": [prefix], "event": "headline", "args": [data, "two", {"$bytes": "AQL/"}]},
        {"rooms": [prefix, prefix + "2"], "event": "last", "args": []},
    )
    for client in inside:
        assert (await client.next("event", "headline")).args == (
            {"text": "ž 🐎", "n": [1, 2.5, None], "at": "2026-11-24T12:00:00.250Z"},
            "two",
            {"binary": "AQL/"},
        )
    for client in (*inside, outside):
        assert (await client.next("event", "last")).args == ()
        assert len(client.seen("event", "last")) == 1
    assert outside.seen("event", "headline") == []


async def test_ids_of_sessions_are_rooms_and_except_leaves_out(
    clients: NodeClients, server: ServerProcess, backend: Backend, emit: Emit, prefix: str
) -> None:
    one, two = [await admitted(clients, server, backend, prefix) for _ in range(2)]
    ids = [(await client.state())["id"] for client in (one, two)]
    await asyncio.to_thread(
        emit,
        {"rooms": [ids[0]], "event": "to one", "args": [1]},
        {"rooms": [prefix], "except": [ids[0]], "event": "not to one", "args": [2]},
        {"rooms": [prefix], "event": "last", "args": [3]},
    )
    for client in (one, two):
        await client.next("event", "last")
    assert [len(client.seen("event", "to one")) for client in (one, two)] == [1, 0]
    assert [len(client.seen("event", "not to one")) for client in (one, two)] == [0, 1]


async def test_an_emit_without_rooms_reaches_everyone_who_was_let_in(
    clients: NodeClients, server: ServerProcess, backend: Backend, emit: Emit, prefix: str
) -> None:
    client, stranger = await admitted(clients, server, backend, prefix), await clients.connect(server.url)
    await asyncio.to_thread(emit, {"event": prefix, "args": ["all"]})
    assert (await client.next("event", prefix)).args == ("all",)
    await stranger.show(await backend.token(prefix), prefix)
    assert (await stranger.event())["type"] == "connected"
    assert stranger.seen("event", prefix) == []


async def test_a_write_only_python_socketio_manager_reaches_the_channel(
    clients: NodeClients, start_server: StartServer, backend: Backend, valkey: Valkey, prefix: str
) -> None:
    nodes = start_server(), start_server()
    everyone = [await admitted(clients, server, backend, prefix) for server in nodes]
    manager = socketio.RedisManager(valkey.url, write_only=True)
    await asyncio.to_thread(manager.emit, "headline", {"text": "ž"}, room=prefix)
    await asyncio.to_thread(manager.emit, "last", ("a", "b"), room=prefix)
    for client in everyone:
        assert (await client.next("event", "headline")).args == ({"text": "ž"},)
        assert (await client.next("event", "last")).args == ("a", "b")
        assert len(client.seen("event", "headline")) == 1
    manager.redis.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x04\x95",
        b"cos\nsystem\n(S'true'\ntR.",
        b"[1,2",
        b"[]",
        b'["uid",{"type":3,"data":["a"]},{}]',
        b'["uid",{"type":2,"data":["disconnect"]},{}]',
        b'["uid",{"type":2,"data":[5]},{}]',
        b'["uid",{"type":2,"data":["a"]},{"rooms":[1]}]',
        b'["uid",{"type":2,"data":["a"]},null]',
        b"\x91" * 2000,
    ],
)
async def test_a_malformed_emit_is_dropped_and_affects_no_other(
    clients: NodeClients, server: ServerProcess, backend: Backend, redis: Redis, prefix: str, body: bytes
) -> None:
    client = await admitted(clients, server, backend, prefix)
    await redis.publish("socket.io#/#", body)
    good = ["uid", {"type": 2, "data": ["good", 1]}, {"rooms": [prefix]}]
    await redis.publish(f"socket.io#/#{prefix}#", json.dumps(good))
    assert (await client.next("event", "good")).args == (1,)
    server.wait_for_output("of an emitter")


async def test_emitters_can_be_turned_off(
    clients: NodeClients, start_server: StartServer, backend: Backend, redis: Redis, prefix: str
) -> None:
    client = await admitted(clients, start_server("--no-emitters"), backend, prefix)
    body = ["uid", {"type": 2, "data": ["emitted"]}, {"rooms": [prefix]}]
    await redis.publish(f"socket.io#/#{prefix}#", json.dumps(body))
    await backend.publish(prefix, "later")
    assert (await client.event())["type"] == "later"
    assert client.seen("event", "emitted") == []
