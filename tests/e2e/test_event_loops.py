"""The server serves stock clients on uvloop, and without the extra ``speed`` on asyncio's own event loop."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClients
from tests.e2e.server import LOOPS, ServerProcess, program


def has_uvloop(server: ServerProcess) -> bool:
    """Return whether the process has loaded uvloop."""
    return "uvloop" in Path(f"/proc/{server.process.pid}/maps").read_text()


@pytest.mark.parametrize("loop", LOOPS)
async def test_clients_of_each_transport_are_served_on_each_event_loop(
    clients: NodeClients,
    start_server: StartServer,
    backend: Backend,
    transports: tuple[str, ...],
    prefix: str,
    loop: str,
) -> None:
    server = start_server(program=program(loop))
    if sys.platform == "linux":
        is_installed = importlib.util.find_spec("uvloop") is not None
        assert has_uvloop(server) == (loop == "uvloop" and is_installed)
    channel = f"{prefix}news"
    auth = {"token": await backend.token(channel), "channels": [channel]}
    client = await clients.connect(server.url, transports=transports, auth=auth)
    assert (await client.event())["type"] == "connected"
    for number in range(10):
        await backend.publish(channel, "count", number=number)
    assert [(await client.event())["number"] for _ in range(10)] == list(range(10))
    await client.disconnect()
    assert server.stop() == 0
    assert "Traceback" not in server.output
