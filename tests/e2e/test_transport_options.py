"""Stock clients with rare options of their transports: ``forceBase64``, ``protocols``."""

import base64
from typing import Any

import pytest

from tests.e2e.node_client import UPGRADE, VERSIONS, WEBSOCKET, NodeClients
from tests.e2e.versions import MSGPACK_VERSIONS, TRANSPORTS, with_msgpack
from tests.engine.application import running

VALUE = {"bytes": {"binary": base64.b64encode(bytes(range(256))).decode()}, "text": "Zürich 🐝"}


@pytest.mark.parametrize(
    ("version", "parser"),
    [
        *((version, "default") for version in VERSIONS),
        *((version, "msgpack") for version in MSGPACK_VERSIONS),
    ],
)
async def test_binary_goes_both_ways_as_base64(clients: NodeClients, version: str, parser: str) -> None:
    options: dict[str, Any] = {"version": version, "forceBase64": True}
    if parser == "msgpack":
        options = with_msgpack(version, options)
    async with running() as application:
        url = application.url.removesuffix("/socket.io/")
        for transports in TRANSPORTS.values():
            client = await clients.connect(url, transports=transports, **options)
            if len(transports) > 1:
                await client.next("upgrade")
            await client.emit("echo", VALUE)
            assert (await client.next("event", "echo")).args == (VALUE,)
            assert await client.call("ask", VALUE) == [VALUE]
            assert client.seen("disconnect") == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_that_asks_for_a_subprotocol_connects(clients: NodeClients, version: str) -> None:
    async with running(through_handshake=True) as application:
        url = application.url.removesuffix("/socket.io/")
        for transports in (WEBSOCKET, UPGRADE):
            client = await clients.connect(
                url, version=version, transports=transports, protocols=["v1.example", "v2.example"]
            )
            if transports is UPGRADE:
                await client.next("upgrade")
            assert await client.call("ask", 1) == [1]
