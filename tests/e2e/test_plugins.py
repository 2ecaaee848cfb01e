"""A plug-in's namespace, served by a node in this process: events with bytes, there and back."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from hornet import create_app
from hornet.app import NODE
from hornet.broker.settings import RedisSettings
from hornet.config import Config
from hornet.plugins import Command, Context
from tests.conftest import Valkey
from tests.e2e.node_client import VERSIONS, WEBSOCKET, NodeClients
from tests.e2e.versions import MSGPACK_VERSIONS, TRANSPORTS, with_msgpack

BYTES = bytes(range(256)) * 8
CLIENTS = [(version, "default") for version in VERSIONS] + [
    (version, "msgpack") for version in MSGPACK_VERSIONS
]


def binary(data: bytes) -> dict[str, str]:
    """How bytes look to the driver of the clients."""
    return {"binary": base64.b64encode(data).decode()}


@pytest.fixture
async def echo(valkey: Valkey) -> AsyncIterator[str]:
    """The URL of a namespace that answers each event with one of the same arguments."""
    app = create_app(Config(redis=RedisSettings(redis=valkey.url)))
    sio = app[NODE].engine.sio

    async def send_back(event: str, sid: str, *args: Any) -> tuple[Any, ...]:
        await sio.emit(event, args, to=sid, namespace="/echo")
        return args

    sio.on("*", send_back, namespace="/echo")
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/echo"))


@pytest.mark.parametrize("transports", TRANSPORTS)
@pytest.mark.parametrize(("version", "parser"), CLIENTS)
async def test_bytes_go_to_a_plug_in_and_come_back_unchanged(
    clients: NodeClients, echo: str, version: str, parser: str, transports: str
) -> None:
    options = with_msgpack(version, {}) if parser == "msgpack" else {"version": version}
    client = await clients.connect(echo, transports=TRANSPORTS[transports], **options)
    if transports == "upgrade":
        await client.next("upgrade")
    args = ["Zürich 🐝", binary(BYTES), {"inner": [1, binary(b""), binary(b"\x04")]}]
    assert await client.call("bytes", *args) == args
    assert list((await client.next("event", "bytes")).args) == args
    await client.emit("text", {"n": 1})
    assert await client.event("text") == {"n": 1}
    assert client.seen("disconnect") == []


async def enter(context: Context, data: Any) -> dict[str, Any]:
    """Let a client into a room, tell everybody there and the client itself."""
    await context.subscribe("room")
    context.emit("greeting", data)
    await context.publish("room", "entered", {"data": data})
    return {"members": len(await context.members("room"))}


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
async def test_a_command_acts_for_a_client_that_has_shown_nothing(
    clients: NodeClients, valkey: Valkey, version: str
) -> None:
    guests = Command(enter, needs_authentication=False)
    app = create_app(Config(redis=RedisSettings(redis=valkey.url)), commands={"enter": guests})
    async with TestServer(app, host="127.0.0.1") as server:
        client = await clients.connect(str(server.make_url("/")), version=version, transports=WEBSOCKET)
        answer = await client.call("hornet:command", {"name": "enter", "data": {"n": 1}})
        assert answer == [{"ok": True, "result": {"members": 1}}]
        assert await client.event("greeting") == {"n": 1}
        assert await client.event() == {"type": "entered", "data": {"n": 1}, "channel": "room"}
        await client.disconnect()
