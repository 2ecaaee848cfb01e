"""The hooks of the engine: the rate limit on the events of a session."""

import pytest

from hornet.core.codes import TOO_MANY_EVENTS
from hornet.core.limits import BURST_S
from hornet.flows.sessions.hooks import PATIENCE
from hornet.flows.settings import LimitSettings
from tests.flows.conftest import Running, StartNode

PER_S = 0.5
"""So little that a busy machine allows no further event while a test sends its own."""
BURST = int(PER_S * BURST_S)


async def test_an_event_too_many_is_refused_with_a_code(start_node: StartNode) -> None:
    running = await start_node(limits=LimitSettings(max_event_rate=PER_S))
    client = await running.connect()
    for _ in range(BURST):
        await client.emit("message", "not JSON")
        assert (await client.message())["error"] == "WRONG_PARAMETERS"
    await client.emit("message", "not JSON")
    assert (await client.message())["error"] == TOO_MANY_EVENTS
    assert refusals(running) == 1


async def test_a_client_that_goes_on_is_disconnected_and_others_are_not(start_node: StartNode) -> None:
    running = await start_node(limits=LimitSettings(max_event_rate=PER_S))
    other = await running.connect()
    flood = await running.connect()
    for _ in range(BURST + int(PATIENCE * PER_S * BURST_S) + 2):
        await flood.emit("nothing")
    assert (await flood.message())["error"] == TOO_MANY_EVENTS
    await flood.expect_closed()
    await other.emit("message", "not JSON")
    assert (await other.message())["error"] == "WRONG_PARAMETERS"


def refusals(running: Running) -> int:
    text = running.node.metrics.render().decode()
    line = f'hornet_refusals_total{{code="{TOO_MANY_EVENTS}"}} '
    return int(float(text.split(line)[1].split("\n")[0])) if line in text else 0


async def test_a_flood_is_told_and_logged_once(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_node(limits=LimitSettings(max_event_rate=PER_S))
    flood = await running.connect()
    for _ in range(50):
        await flood.emit("nothing")
    await flood.closed()
    await running.wait_until_empty()
    assert len([one for one in caplog.records if "is closed: it sends" in one.getMessage()]) == 1
