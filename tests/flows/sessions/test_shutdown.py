"""A graceful stop: all clients are told, and all are disconnected at its end."""

import asyncio

from hornet.flows.sessions.shutdown import drain
from tests.flows.conftest import Running


async def test_clients_are_told_and_let_go_over_the_window(running: Running) -> None:
    clients = [await running.connect() for _ in range(5)]
    started = asyncio.get_running_loop().time()
    await drain(running.node.engine, running.node.sessions, running.node.handover, window_s=0.5)
    assert asyncio.get_running_loop().time() - started < 2
    assert len(running.node.sessions) == 0
    for client in clients:
        assert await client.event() == ("hermes:shutdown", {})
        assert await client.message() == {"type": "shutdown", "channel": "hornet", "msg": "SHUTDOWN"}


async def test_a_stop_without_clients_is_over_at_once(running: Running) -> None:
    started = asyncio.get_running_loop().time()
    await drain(running.node.engine, running.node.sessions, running.node.handover, window_s=30)
    assert asyncio.get_running_loop().time() - started < 1


async def test_a_stop_does_not_wait_longer_than_the_window_for_clients_that_could_return(
    running: Running,
) -> None:
    client = await running.connect()
    running.session(client).positions = True
    await drain(running.node.engine, running.node.sessions, running.node.handover, window_s=0.2)
    await client.closed()
    assert len(running.node.sessions) == 0
