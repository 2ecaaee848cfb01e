"""Getting in: every way to show credentials, every refusal, and what happens meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from hornet.flows.settings import LimitSettings, UserSettings
from hornet.plugins import Authenticator, Evidence, Grant
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode

AUTH_TIMEOUT_S = 0.6
CONNECTED = {"type": "connected", "channel": "hornet", "msg": "CONNECTED"}


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


async def test_a_json_string_an_object_auth_and_the_query_all_let_in(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"

    async def token() -> str:
        return await backend.create_access_token(channel)

    text = await running.connect()
    await text.show(await token(), channel)
    thing = await running.connect()
    await thing.emit("message", {"token": await token(), "channel": channel})
    auth = await running.connect(auth={"token": await token(), "channels": [channel]})
    query = await running.connect(query=f"&token={await token()}&channels={channel}")
    for client in (text, thing, auth, query):
        assert await client.message() == CONNECTED
    assert await backend.publish(channel, "hello") == 1
    for client in (text, thing, auth, query):
        assert await client.message() == {"type": "hello", "channel": channel}


async def test_the_answer_is_byte_for_byte_the_classic_one(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    client = await running.connect()
    await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
    assert await client.event() == ("message", '{"type":"connected","channel":"hornet","msg":"CONNECTED"}')


async def test_an_invalid_token_is_answered_in_the_classic_words(running: Running, prefix: str) -> None:
    client = await running.connect()
    await client.show("nosuchtok", f"{prefix}a")
    assert await client.event() == (
        "message",
        '{"type":"error","channel":"hornet","error":"INVALID_TOKEN",'
        '"errorMsg":"Invalid token used, please get a new token"}',
    )


@pytest.mark.parametrize("extra", ["b", "hornet"])
async def test_a_channel_the_token_lacks_is_refused_and_consumes_nothing(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str, extra: str
) -> None:
    channel = f"{prefix}a"
    token = await backend.create_access_token(channel)
    client = await running.connect()
    await client.show(token, channel, extra)
    assert (await client.message())["error"] == "WRONG_TOKEN_ASSOCIATION"
    assert await redis.smembers(f"hornet:token:{token}") == {channel.encode()}
    await client.show(token, channel)
    assert await client.message() == CONNECTED
    assert not await redis.exists(f"hornet:token:{token}")


async def test_the_reserved_channel_is_refused_even_if_a_token_names_it(
    running: Running, redis: Redis, prefix: str
) -> None:
    token = f"{prefix}token"
    await redis.sadd(f"hornet:token:{token}", "hornet")
    client = await running.connect()
    await client.show(token, "hornet")
    assert (await client.message())["error"] == "WRONG_TOKEN_ASSOCIATION"


@pytest.mark.parametrize("shown", ["nonsense", {}, {"token": "x"}, None, 7, ["a"]])
async def test_malformed_credentials_are_refused_and_the_socket_stays(
    running: Running, backend: AsyncConnector, prefix: str, shown: object
) -> None:
    client = await running.connect()
    await client.emit("message", shown)
    assert (await client.message())["error"] == "WRONG_PARAMETERS"
    await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
    assert await client.message() == CONNECTED


async def test_a_token_works_once(running: Running, backend: AsyncConnector, prefix: str) -> None:
    token = await backend.create_access_token(f"{prefix}a")
    first, second = await running.connect(), await running.connect()
    await first.show(token, f"{prefix}a")
    assert await first.message() == CONNECTED
    await second.show(token, f"{prefix}a")
    assert (await second.message())["error"] == "INVALID_TOKEN"


async def test_a_connected_session_adds_channels_with_another_token(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    client = await running.connect()
    for name in ("a", "b"):
        await client.show(await backend.create_access_token(prefix + name), prefix + name)
        assert await client.message() == CONNECTED
    await backend.publish([f"{prefix}a", f"{prefix}b"], "x")
    assert [(await client.message())["channel"] for _ in "ab"] == [f"{prefix}a", f"{prefix}b"]


async def test_event_delivery_gives_events_named_by_type(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"
    token = await backend.create_access_token(channel)
    client = await running.connect(auth={"token": token, "channels": [channel], "delivery": "event"})
    assert await client.event() == ("connected", CONNECTED)
    await backend.publish(channel, "news", {"text": "été"})
    assert await client.event() == ("news", {"text": "été", "type": "news", "channel": channel})
    await backend.publish(channel, "disconnect")
    assert await client.event() == ("message", {"type": "disconnect", "channel": channel})


async def test_delivery_may_be_chosen_before_the_credentials(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    client = await running.connect(auth={"delivery": "event"})
    await client.show("nosuchtok", f"{prefix}a")
    name, error = await client.event()
    assert (name, error["error"]) == ("error", "INVALID_TOKEN")


async def test_an_unknown_delivery_is_an_error(running: Running) -> None:
    client = await running.connect(auth={"delivery": "pigeon"})
    assert (await client.message())["error"] == "WRONG_PARAMETERS"


async def test_a_session_without_credentials_is_told_why_and_closed(start_node: StartNode) -> None:
    client = await (await start_node(auth_timeout_s=0.1)).connect()
    assert (await client.message())["error"] == "AUTHENTICATION_TIMEOUT"
    await client.expect_closed()


async def test_without_a_timeout_a_session_may_stay_without_credentials(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    client = await (await start_node(auth_timeout_s=0)).connect()
    assert await refusal(client, "hornet:publish", {}) == "NOT_AUTHENTICATED"
    await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
    assert await client.message() == CONNECTED


async def test_a_session_that_got_in_outlives_the_timeout(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    running = await start_node(auth_timeout_s=0.3)
    client, silent = await running.connect(), await running.connect()
    await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
    assert await client.message() == CONNECTED
    assert (await silent.message())["error"] == "AUTHENTICATION_TIMEOUT"
    await backend.publish(f"{prefix}a", "still here")
    assert (await client.message())["type"] == "still here"


class TwoChannels(Authenticator):
    """Lets in a client that shows a name, with that name as the user, and two channels."""

    def offer(self, evidence: Evidence) -> object:
        return evidence.fields.get("name")

    async def check(self, claim: object) -> Grant:
        return Grant(str(claim), channels=(f"{claim}-a", f"{claim}-b"))


async def test_the_sessions_of_a_user_are_counted_before_the_channels_of_a_session(
    start_node: StartNode, prefix: str
) -> None:
    limits, users = LimitSettings(max_channels_per_session=1), UserSettings(user_sessions=1)
    running = await start_node(ways=(TwoChannels(),), limits=limits, users=users)
    client = await running.connect(auth={"name": prefix})
    assert (await client.message())["error"] == "TOO_MANY_CHANNELS"
    assert running.session(client).user is None
    await running.connect_with_token(user=prefix)
    await client.emit("message", {"name": prefix})
    assert (await client.message())["error"] == "TOO_MANY_USER_SESSIONS"
    assert running.session(client).user is None


async def test_a_session_whose_grant_is_refused_gets_the_whole_authentication_timeout_again(
    start_node: StartNode, prefix: str
) -> None:
    limits = LimitSettings(max_channels_per_session=1)
    running = await start_node(AUTH_TIMEOUT_S, (TwoChannels(),), limits=limits)
    client = await running.connect()
    await asyncio.sleep(AUTH_TIMEOUT_S / 2)
    since = asyncio.get_running_loop().time()
    await client.emit("message", {"name": prefix})
    assert (await client.message())["error"] == "TOO_MANY_CHANNELS"
    assert (await client.message())["error"] == "AUTHENTICATION_TIMEOUT"
    assert asyncio.get_running_loop().time() - since >= AUTH_TIMEOUT_S
    await client.expect_closed()


async def test_fifty_clients_race_for_one_token_and_one_gets_in(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"
    token = await backend.create_access_token(channel)
    clients: list[Client] = await asyncio.gather(*(running.connect() for _ in range(50)))
    await asyncio.gather(*(client.show(token, channel) for client in clients))
    answers = await asyncio.gather(*(client.message() for client in clients))
    assert [answer["type"] for answer in answers].count("connected") == 1
    assert [answer.get("error") for answer in answers].count("INVALID_TOKEN") == 49


async def test_backends_hear_of_tokens_that_connect_and_disconnect(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str
) -> None:
    token = await backend.create_access_token([f"{prefix}a", f"{prefix}b"])
    heard: list[tuple[str, str]] = []
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("hornet:events:connect", "hornet:events:disconnect")
        client = await running.connect()
        await client.show(token, f"{prefix}a", f"{prefix}b")
        assert await client.message() == CONNECTED
        await client.leave()
        async for item in pubsub.listen():
            event = json.loads(item["data"])
            if event["token"] == token:
                heard.append((item["channel"].decode().rpartition(":")[2], event["channel"]))
            if len(heard) == 4:
                break
    assert heard == [
        ("connect", f"{prefix}a"),
        ("connect", f"{prefix}b"),
        ("disconnect", f"{prefix}a"),
        ("disconnect", f"{prefix}b"),
    ]


async def test_a_node_listens_only_while_a_client_of_its_own_is_there(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str
) -> None:
    topic = f"hornet:channel:{prefix}a"

    async def listening() -> int:
        return int((await redis.pubsub_numsub(topic))[0][1])

    clients = []
    for _ in range(2):
        client = await running.connect()
        await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
        assert await client.message() == CONNECTED
        clients.append(client)
    assert await listening() == 1
    await clients[0].leave()
    await clients[1].leave()
    await eventually(listening, 0)


async def test_a_session_may_send_long_messages_once_it_is_in_and_not_before(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    outside = await running.connect()
    await outside.emit("hornet:publish", "x" * 70_000)
    await outside.closed()
    client = await running.connect()
    await client.show(await backend.create_access_token(f"{prefix}a"), f"{prefix}a")
    assert await client.message() == CONNECTED
    assert await refusal(client, "hornet:publish", "x" * 70_000)
