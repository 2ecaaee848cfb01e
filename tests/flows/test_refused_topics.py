"""A node whose user of Redis has limited rights: what Redis refuses harms only who asked for it."""

import logging
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.connector import sign_channel
from hornet.core import codes
from hornet.core.errors import SetupError
from tests.broker.acl import BETWEEN_NODES, NODE, grant, limited, url_of
from tests.broker.servers import RedisServer
from tests.e2e.backend import Backend
from tests.e2e.waiting import eventually
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode

NEWS = {"pattern": {"channel": "CNN", "kind": "news"}}


async def join(running: Running, admin: Redis, *channels: str) -> Client:
    client = await running.connect(
        auth={"token": await Backend(admin).token(*channels), "channels": channels}
    )
    assert (await client.message())["type"] == "connected"
    return client


async def start(start_node: StartNode, server: RedisServer, **given: Any) -> Running:
    return await start_node(redis=url_of(server), public_patterns=True, **given)


async def test_a_pattern_that_redis_refuses_is_refused_and_affects_no_other_session(
    own_redis: RedisServer, start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(own_redis, *NODE.split()) as admin:
        running = await start(start_node, own_redis)
        client, other = await join(running, admin, "a"), await join(running, admin, "b")
        for pattern in (NEWS, {"pattern": {"channel": "*"}}, {**NEWS, "subset": True}):
            assert await refusal(client, "hornet:subscribe", pattern) == codes.REFUSED_BY_REDIS
        for one, channel in ((client, "a"), (other, "b")):
            assert await Backend(admin).publish(channel, "still") == 1
            assert (await one.message())["type"] == "still"
        assert running.node.subscriber.reconnections == 0
        assert running.node.subscriber.patterns == 1, "that of emitters"
        counted = running.node.metrics.render().decode()
        assert f'hornet_refusals_total{{code="{codes.REFUSED_BY_REDIS}"}} 3.0' in counted
        assert "hornet_subscriptions_refused_total " in counted
        assert running.node.subscriber.refusals >= 3, "a subset has two globs"
    errors = {record.getMessage() for record in caplog.records if record.levelno == logging.ERROR}
    assert any("&channel:CNN|kind:news" in line for line in errors)
    assert "Traceback" not in caplog.text


async def test_what_is_granted_later_works_at_the_next_attempt(
    own_redis: RedisServer, start_node: StartNode
) -> None:
    async with limited(own_redis, *NODE.split()) as admin:
        running = await start(start_node, own_redis)
        client = await join(running, admin, "a")
        assert await refusal(client, "hornet:subscribe", NEWS) == codes.REFUSED_BY_REDIS
        await grant(admin, "&channel:*")
        assert (await client.ask("hornet:subscribe", NEWS))["ok"]


async def test_a_channel_of_a_token_that_redis_refuses_is_answered_in_the_classic_way(
    own_redis: RedisServer, start_node: StartNode
) -> None:
    rules = NODE.replace("&hornet:*", f"&hornet:channel:ok* &hornet:channel:hornet {BETWEEN_NODES}")
    async with limited(own_redis, *rules.split()) as admin:
        running = await start(start_node, own_redis)
        client = await join(running, admin, "ok1")
        token = await Backend(admin).token("ok2", "bad")
        stranger = await running.connect(auth={"token": token, "channels": ["ok2", "bad"]})
        assert (await stranger.message())["error"] == codes.REFUSED_BY_REDIS
        await stranger.show(await Backend(admin).token("ok2"), "ok2")
        assert (await stranger.message())["type"] == "connected"
        for one, channel in ((client, "ok1"), (stranger, "ok2")):
            await Backend(admin).publish(channel, "still")
            assert (await one.message())["type"] == "still"


async def test_a_user_whose_topic_redis_refuses_is_not_let_in_as_such(
    own_redis: RedisServer, start_node: StartNode
) -> None:
    rules = NODE.replace("&hornet:*", f"&hornet:channel:* {BETWEEN_NODES} &hornet:events:*")
    async with limited(own_redis, *rules.split()) as admin:
        running = await start(start_node, own_redis)
        token = await Backend(admin).token("a")
        await admin.set(f"{{hornet:token:{token}}}:grant", '{"user":"ann"}', ex=60)
        client = await running.connect(auth={"token": token, "channels": ["a"]})
        assert (await client.message())["error"] == codes.REFUSED_BY_REDIS
        assert running.session(client).user is None
        assert running.node.subscriber.refused == ()


async def test_presence_that_redis_refuses_costs_that_and_not_the_channel(
    own_redis: RedisServer, start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    rules = NODE.replace("&hornet:*", f"&hornet:channel:* {BETWEEN_NODES} &hornet:events:*")
    async with limited(own_redis, *rules.split()) as admin:
        running = await start(start_node, own_redis, channel_secrets="a secret of the backend")
        client = await join(running, admin, "private-a")
        for _ in range(3):
            asked = sign_channel("a secret of the backend", client.sid, "private-a", {"id": "ann"})
            assert await refusal(client, "hornet:subscribe", asked) == codes.REFUSED_BY_REDIS
        await Backend(admin).publish("private-a", "still")
        assert (await client.message())["type"] == "still"
        assert running.node.subscriber.refused == ()
        await grant(admin, "&hornet:presence:*")
        assert (await client.ask("hornet:subscribe", asked))["members"] == [{"id": "ann"}]
    assert "Traceback" not in caplog.text


async def test_a_channel_of_a_user_that_redis_refuses_is_left_out_alone(
    own_redis: RedisServer, start_node: StartNode
) -> None:
    own = f"&hornet:channel:hornet {BETWEEN_NODES} &hornet:user:* &hornet:events:*"
    rules = NODE.replace("&hornet:*", f"&hornet:channel:ok* {own}")
    async with limited(own_redis, *rules.split()) as admin:
        running = await start(start_node, own_redis)
        for channel in ("ok2", "bad", "ok3"):
            await admin.sadd("{hornet:users}:channels:ann", channel)
            await admin.sadd(f"{{hornet:users}}:subscribed:{channel}", "ann")
        token = await Backend(admin).token("ok1")
        await admin.set(f"{{hornet:token:{token}}}:grant", '{"user":"ann"}', ex=60)
        client = await running.connect(auth={"token": token, "channels": ["ok1"]})
        assert (await client.message())["type"] == "connected"
        assert sorted(running.session(client).channels) == ["ok1", "ok2", "ok3"]


@pytest.mark.parametrize(
    ("lacking", "rule", "options"),
    [
        ("&hornet:*", "&hornet:*", {}),
        ("&socketio", "&socketio", {}),
        ("&socket.io#/#*", "&socket.io#/#*", {}),
        ("+eval", "'eval'", {}),
    ],
)
async def test_a_node_without_the_rights_that_it_needs_does_not_start_and_says_what_to_grant(
    own_redis: RedisServer, start_node: StartNode, lacking: str, rule: str, options: dict[str, Any]
) -> None:
    async with limited(own_redis, *NODE.replace(lacking, "").split()):
        with pytest.raises(SetupError) as raised:
            await start(start_node, own_redis, **options)
    assert rule in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_without_emitters_their_right_is_not_needed(
    own_redis: RedisServer, start_node: StartNode
) -> None:
    async with limited(own_redis, *NODE.replace("&socket.io#/#*", "").split()) as admin:
        with pytest.raises(SetupError, match=r"--no-emitters does without &socket\.io#/#\*"):
            await start(start_node, own_redis)
        running = await start(start_node, own_redis, emitters=False)
        await join(running, admin, "a")


async def test_a_right_of_the_nodes_own_that_is_taken_away_makes_it_unready_until_it_is_back(
    own_redis: RedisServer, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornet.broker.subscription_state.ASK_AGAIN_S", 0.05)
    async with limited(own_redis, *NODE.split()) as admin:
        running = await start(start_node, own_redis)
        client = await join(running, admin, "a")

        async def readiness() -> str:
            return str((await running.get("/health/ready"))["status"])

        assert await readiness() == "ready"
        await grant(admin, "resetchannels", "&hornet:channel:*", "&socketio", "&socket.io#/#*")
        await eventually(readiness, "redis refuses subscriptions")
        await Backend(admin).publish("a", "still")
        assert (await client.message())["type"] == "still"
        await grant(admin, "&hornet:*")
        await eventually(readiness, "ready")
