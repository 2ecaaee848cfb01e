"""Users as backends see them: the same from every node."""

import pytest

from tests.flows.conftest import StartNode


async def test_every_node_knows_the_users_of_all(start_node: StartNode, prefix: str) -> None:
    one, other = await start_node(), await start_node()
    here = await one.connect_with_token(user=prefix)
    there = await other.connect_with_token(user=prefix)
    for running in (one, other):
        users = running.node.user_queries
        assert {(s.session, s.node) for s in await users.sessions(prefix)} == {
            (here.sid, one.node.nodes.id),
            (there.sid, other.node.nodes.id),
        }
        assert await users.is_online(prefix)
        assert not await users.is_online(f"{prefix}-nobody")
        assert (await users.online(after=prefix[:-1], limit=1)) == [prefix]
        assert await users.count_online() >= 1


async def test_user_queries_act_on_users_of_other_nodes(start_node: StartNode, prefix: str) -> None:
    one, other = await start_node(), await start_node()
    client = await other.connect_with_token(user=prefix)
    assert await one.node.user_queries.notify([prefix, f"{prefix}-nobody"], "hello", 1) == 1
    assert await client.event() == ("hello", 1)
    assert await one.node.user_queries.disconnect(prefix) == 1
    assert (await client.message())["error"] == "USER_DISCONNECTED"
    await client.expect_closed()


async def test_user_queries_refuse_what_no_client_could_take(start_node: StartNode, prefix: str) -> None:
    users = (await start_node()).node.user_queries
    with pytest.raises(ValueError, match="Hornet's own"):
        await users.notify(prefix, "hornet:subscribe")
    with pytest.raises(ValueError, match="no channel"):
        await users.subscribe(prefix, "hornet")
