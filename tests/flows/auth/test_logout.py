"""``user:logout`` makes a session what it was when it connected."""

import json

from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from hornet.flows.settings import ChannelSettings
from hornet.plugins import Authenticator, Evidence, Grant
from tests.conftest import Valkey
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode


class Named(Authenticator):
    """Lets a client in as the user that it names, in a channel of that name, with the right to publish."""

    def offer(self, shown: Evidence) -> str | None:
        return shown.fields.get("name")

    async def check(self, claim: str) -> Grant:
        return Grant(claim, {"name": claim}, (claim,), (claim,), {"name": claim})


async def log_in(client: Client, name: str) -> None:
    await client.emit("message", {"name": name})
    assert (await client.message())["type"] == "connected"


async def test_nothing_is_left_of_what_was_granted(start_node: StartNode, prefix: str) -> None:
    running = await start_node(ways=[Named()])
    client = await running.connect()
    await log_in(client, prefix)
    assert await client.ask("user:logout") == {"ok": True}
    session = running.session(client)
    assert (session.user, session.info, session.channels) == (None, None, {})
    assert (session.publish.patterns, session.attributes) == ((), None)
    answer = await client.ask("hornet:subscribe", {"pattern": {"a": "b"}})
    assert answer["error"]["code"] == "NOT_AUTHENTICATED"


async def test_a_session_may_get_another_user_after_a_logout(start_node: StartNode, prefix: str) -> None:
    running = await start_node(ways=[Named()])
    client = await running.connect()
    await log_in(client, f"{prefix}a")
    await client.ask("user:logout")
    await log_in(client, f"{prefix}b")
    assert running.session(client).user == f"{prefix}b"
    assert list(running.session(client).channels) == [f"{prefix}b"]


async def test_the_authentication_timeout_starts_again(start_node: StartNode, prefix: str) -> None:
    running = await start_node(auth_timeout_s=0.3, ways=[Named()])
    client = await running.connect()
    await log_in(client, prefix)
    await client.ask("user:logout")
    assert (await client.message())["error"] == "AUTHENTICATION_TIMEOUT"
    await client.expect_closed()


async def test_a_logout_of_a_new_session_gives_it_no_more_time(start_node: StartNode) -> None:
    running = await start_node(auth_timeout_s=0.3)
    client = await running.connect()
    assert await client.ask("user:logout") == {"ok": True}
    assert (await client.message())["error"] == "AUTHENTICATION_TIMEOUT"


async def test_its_patterns_are_left_too(start_node: StartNode, redis: Redis, prefix: str) -> None:
    running = await start_node(ways=[Named()], channels=ChannelSettings(public_patterns=True))
    client = await running.connect()
    await log_in(client, prefix)
    answer = await client.ask("hornet:subscribe", {"pattern": {"kind": prefix}})
    assert answer["ok"]
    await client.ask("user:logout")
    await log_in(client, prefix)
    await redis.publish(f"kind:{prefix}", json.dumps({"type": "lost"}))
    await redis.publish(f"hornet:channel:{prefix}", json.dumps({"type": "heard"}))
    assert (await client.message())["type"] == "heard"


async def test_its_tokens_are_not_its_own_any_more(
    running: Running, valkey: Valkey, redis: Redis, prefix: str
) -> None:
    async with AsyncConnector(valkey.url) as backend, redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe("hornet:events:disconnect")
        token = await backend.create_access_token(prefix)
        client = await running.connect()
        await client.show(token, prefix)
        assert (await client.message())["type"] == "connected"
        await client.ask("user:logout")
        async for item in heard.listen():
            if json.loads(item["data"]) == {"token": token, "channel": prefix}:
                break
        await client.show(await backend.create_access_token(prefix), prefix)
        assert (await client.message())["type"] == "connected"
        await backend.publish(prefix, "secret", options={"only": token})
        await backend.disconnect_tokens(token)
        await backend.publish(prefix, "news")
        assert (await client.message())["type"] == "news"


async def test_a_session_takes_no_other_user_before_it_logs_out(start_node: StartNode, prefix: str) -> None:
    running = await start_node(ways=[Named()])
    client = await running.connect()
    await log_in(client, f"{prefix}a")
    await client.emit("message", {"name": f"{prefix}b"})
    assert (await client.message())["error"] == "OTHER_USER"
    session = running.session(client)
    assert (session.user, list(session.channels)) == (f"{prefix}a", [f"{prefix}a"])
    await client.ask("user:logout")
    await log_in(client, f"{prefix}b")


async def test_channels_of_the_user_are_left_with_it(
    start_node: StartNode, valkey: Valkey, prefix: str
) -> None:
    running = await start_node(ways=[Named()])
    async with AsyncConnector(valkey.url) as backend:
        await backend.subscribe_user(f"{prefix}a", f"{prefix}mail")
        client = await running.connect()
        await log_in(client, f"{prefix}a")
        await client.ask("user:logout")
        await log_in(client, f"{prefix}b")
        assert list(running.session(client).channels) == [f"{prefix}b"]
        assert await backend.notify(f"{prefix}a", "mail") == 0
        assert await backend.notify(f"{prefix}b", "mail", {"n": 1}) == 1
        assert await client.event() == ("mail", {"n": 1})
