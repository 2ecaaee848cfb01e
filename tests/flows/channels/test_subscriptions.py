"""The channels of a session: how many it may hold."""

import json
from dataclasses import replace

from hornet.core.codes import TOO_MANY_CHANNELS
from hornet.flows.settings import LimitSettings
from tests.flows.conftest import StartNode


async def test_a_session_has_so_many_channels_and_keeps_a_token_that_would_open_more(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node(limits=LimitSettings(max_channels_per_session=2))
    client = await running.connect_with_token(f"{prefix}a", f"{prefix}b")
    token = await running.create_token(f"{prefix}b", f"{prefix}c")
    await client.show(token, f"{prefix}b", f"{prefix}c")
    told = await client.message()
    assert (told["type"], told["error"]) == ("error", TOO_MANY_CHANNELS)
    await client.show(token, f"{prefix}b")
    assert (await client.message())["type"] == "connected"


async def test_limits_that_are_replaced_hold_for_sessions_that_are_there(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node()
    client = await running.connect_with_token(f"{prefix}a")
    wanted = replace(running.node.config, limits=LimitSettings(max_channels_per_session=1))
    running.node.reload(wanted)
    token = await running.create_token(f"{prefix}b")
    await client.emit("message", json.dumps({"token": token, "channel": f"{prefix}b"}))
    assert (await client.message())["error"] == TOO_MANY_CHANNELS
