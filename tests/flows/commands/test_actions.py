"""What a command may do: for the session that called it, and on all nodes."""

from collections.abc import Mapping
from typing import Any

import pytest

from hornet.core.commands import Context, command
from hornet.flows.commands.plugins import Declared
from hornet.flows.settings import LimitSettings
from tests.broker.servers import RedisServer
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode


async def emit(context: Context, data: Any) -> None:
    context.emit("greeting", data)


async def publish(context: Context, data: Any) -> int:
    return await context.publish(data["channels"], "news", {"text": "hi"}, data.get("options"))


async def members(context: Context, data: Any) -> list[dict[str, Any]]:
    return await context.members(data["channel"], data.get("limit", 1000))


@command(needs_authentication=False)
async def subscribe(context: Context, data: Any) -> bool:
    return await context.subscribe(data)


async def unsubscribe(context: Context, data: Any) -> bool:
    return await context.unsubscribe(data)


async def notify(context: Context, data: Any) -> int:
    return await context.notify(data, "order paid", {"order": 7})


async def emit_reserved(context: Context, data: Any) -> None:
    context.emit("disconnect")


COMMANDS: Mapping[str, Declared] = {
    "emit": emit,
    "publish": publish,
    "members": members,
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "notify": notify,
    "emit_reserved": emit_reserved,
}


@pytest.fixture
async def node(start_node: StartNode) -> Running:
    return await start_node(own_commands=COMMANDS)


@pytest.fixture
async def other_node(start_node: StartNode) -> Running:
    return await start_node(own_commands=COMMANDS)


async def call(client: Client, name: str, data: object = None) -> Any:
    answer = await client.ask("hornet:command", {"name": name, "data": data})
    return answer["result"] if "result" in answer else answer["error"]["code"]


async def test_emit_reaches_the_caller_alone_and_before_the_answer(node: Running) -> None:
    client, other = await node.connect_with_token("a"), await node.connect_with_token("a")
    assert await call(client, "emit", {"n": 1}) is None
    assert await client.event() == ("greeting", {"n": 1})
    assert await call(other, "emit", 2) is None
    assert await other.event() == ("greeting", 2)


async def test_publish_reaches_the_clients_of_all_nodes_but_those_left_out(
    node: Running, other_node: Running
) -> None:
    client, other = await node.connect_with_token("a"), await other_node.connect_with_token("a")
    options = {"except": client.sid}
    assert await call(client, "publish", {"channels": ["a", "empty"], "options": options}) == 2
    assert await call(client, "publish", {"channels": "a"}) == 2
    news = {"type": "news", "text": "hi", "channel": "a"}
    assert [await other.message() for _ in range(2)] == [news, news]
    assert await client.message() == news


@pytest.mark.parametrize(
    "data",
    [
        *({"channels": []}, {"channels": ["a", ""]}, {"channels": "hornet"}),
        {"channels": "a", "options": {"to": "b"}},
    ],
    ids=str,
)
async def test_a_publish_that_can_not_be_is_a_fault_of_the_plug_in(node: Running, data: Any) -> None:
    assert await call(await node.connect_with_token("a"), "publish", data) == "COMMAND_FAILED"


async def test_members_are_those_of_all_nodes_up_to_the_limit(node: Running, other_node: Running) -> None:
    client = await node.connect_with_token("a", user="ana", info={"name": "Ana"})
    guest = await other_node.connect_with_token("a")
    expected: list[dict[str, Any]] = [
        {"session": client.sid, "user": "ana", "info": {"name": "Ana"}, "node": node.node.nodes.id},
        {"session": guest.sid, "user": None, "info": None, "node": other_node.node.nodes.id},
    ]
    expected.sort(key=lambda member: str(member["session"]))
    assert await call(client, "members", {"channel": "a"}) == expected
    assert await call(client, "members", {"channel": "a", "limit": 1}) == expected[:1]
    assert await call(client, "members", {"channel": "empty"}) == []


async def test_a_command_subscribes_and_unsubscribes_its_caller(node: Running) -> None:
    client = await node.connect_with_token("a")
    assert await call(client, "subscribe", "private-room") is True
    assert await call(client, "publish", {"channels": "private-room"}) == 1
    assert (await client.message())["channel"] == "private-room"
    assert await call(client, "unsubscribe", "private-room") is True
    assert await call(client, "unsubscribe", "private-room") is False
    assert await call(client, "publish", {"channels": "private-room"}) == 0
    assert await call(client, "subscribe", "hornet") == "COMMAND_FAILED"


async def test_a_command_lets_in_a_session_that_has_shown_nothing(start_node: StartNode) -> None:
    node = await start_node(auth_timeout_s=0, own_commands=COMMANDS)
    client = await node.connect()
    assert await call(client, "emit", 1) == "NOT_AUTHENTICATED"
    assert await call(client, "subscribe", "lobby") is True
    assert await call(client, "emit", 1) is None
    assert node.session(client).channels.keys() == {"lobby"}


async def test_a_channel_too_many_is_told_to_the_client(start_node: StartNode) -> None:
    node = await start_node(limits=LimitSettings(max_channels_per_session=1), own_commands=COMMANDS)
    client = await node.connect_with_token("a")
    assert await call(client, "subscribe", "b") == "TOO_MANY_CHANNELS"


async def test_a_command_notifies_users(node: Running, other_node: Running) -> None:
    ana, ben = (
        await node.connect_with_token("a", user="ana"),
        await other_node.connect_with_token("a", user=7),
    )
    assert await call(ana, "notify", [7, "nobody"]) == 1
    assert await ben.event() == ("order paid", {"order": 7})


async def test_a_reserved_event_is_a_fault_of_the_plug_in(node: Running) -> None:
    assert await call(await node.connect_with_token("a"), "emit_reserved") == "COMMAND_FAILED"


async def test_without_redis_the_client_is_told_that_it_may_try_again(
    start_node: StartNode, own_redis: RedisServer
) -> None:
    node = await start_node(redis=own_redis.url, own_commands=COMMANDS)
    client = await node.connect_with_token("a")
    own_redis.kill()
    assert await call(client, "publish", {"channels": "a"}) == "UNAVAILABLE"


async def test_a_context_made_by_hand_has_no_node_unless_the_test_gives_one() -> None:
    with pytest.raises(RuntimeError, match="'actions'"):
        Context("sid").emit("greeting")
