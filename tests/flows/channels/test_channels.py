"""Channels that clients subscribe to by name, on whole nodes: what it takes for each kind."""

import hashlib
import json
import logging
from collections.abc import Callable

import pytest

from hornet.connector import AsyncConnector, sign_channel
from hornet.core.signatures import sign_hmac, sign_sha256
from hornet.flows.settings import ChannelSettings, LimitSettings
from tests.conftest import Valkey
from tests.flows.client import Client, placed, refusal
from tests.flows.conftest import Running, StartNode

SECRET = "a secret of the backend"
OLD_SECRET = "the secret before it"

SUBSCRIBE = "hornet:subscribe"
UNSUBSCRIBE = "hornet:unsubscribe"


@pytest.fixture
async def open_node(start_node: StartNode, prefix: str) -> Running:
    """A node with public and private channels."""
    settings = ChannelSettings(public_channels=(f"{prefix}public-*",), channel_secrets=(SECRET, OLD_SECRET))
    return await start_node(channels=settings)


async def publish(running: Running, channel: str) -> int:
    async with AsyncConnector(running.node.config.redis.redis) as backend:
        return await backend.publish(channel, "hello")


async def hears(client: Client, running: Running, channel: str) -> bool:
    """Whether a message published now arrives at the client."""
    if not await publish(running, channel):
        return False
    return await client.message() == {"type": "hello", "channel": channel}


def admissions(running: Running) -> int:
    """How many valid credentials the node has counted."""
    text = running.node.metrics.render().decode()
    return int(float(text.split("\nhornet_admissions_total ")[1].split("\n")[0]))


async def test_a_public_channel_is_open_to_every_session_that_is_in(open_node: Running, prefix: str) -> None:
    client = await open_node.connect_with_token(f"{prefix}in")
    channel = f"{prefix}public-news"
    assert placed(await client.ask(SUBSCRIBE, {"channel": channel})) == {"ok": True, "channel": channel}
    assert await hears(client, open_node, channel)


async def test_a_public_channel_counts_as_no_admission(open_node: Running, prefix: str) -> None:
    client = await open_node.connect_with_token(f"{prefix}in")
    before = admissions(open_node)
    await client.ask(SUBSCRIBE, {"channel": f"{prefix}public-news"})
    assert admissions(open_node) == before
    private = f"private-{prefix}a"
    signature = sign_hmac(SECRET, client.sid, private)
    await client.ask(SUBSCRIBE, {"channel": private, "signature": signature})
    assert admissions(open_node) == before + 1


async def test_a_session_that_showed_nothing_gets_no_public_channel(open_node: Running, prefix: str) -> None:
    client = await open_node.connect()
    assert await refusal(client, SUBSCRIBE, {"channel": f"{prefix}public-news"}) == "NOT_AUTHENTICATED"


async def test_no_channel_is_public_unless_the_configuration_says_so(running: Running, prefix: str) -> None:
    client = await running.connect_with_token(f"{prefix}in")
    assert await refusal(client, SUBSCRIBE, {"channel": f"{prefix}public-news"}) == "FORBIDDEN"
    assert await publish(running, f"{prefix}public-news") == 0


@pytest.mark.parametrize("sign", [sign_hmac, sign_sha256])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
async def test_a_signature_opens_a_private_channel_and_lets_in(
    open_node: Running, prefix: str, secret: str, sign: Callable[[str, str, str], str]
) -> None:
    client = await open_node.connect()
    channel = f"private-{prefix}A"
    signature = sign(secret, client.sid, channel)
    answer = await client.ask(SUBSCRIBE, {"channel": channel, "signature": signature})
    assert placed(answer) == {"ok": True, "channel": channel}
    assert await hears(client, open_node, channel)
    public = f"{prefix}public-news"
    assert placed(await client.ask(SUBSCRIBE, {"channel": public})) == {"ok": True, "channel": public}


async def test_what_the_connector_signs_is_what_the_page_shows(open_node: Running, prefix: str) -> None:
    client = await open_node.connect()
    shown = sign_channel(SECRET, client.sid, f"private-{prefix}a")
    assert (await client.ask(SUBSCRIBE, shown))["ok"] is True


async def test_a_signature_is_good_for_its_session_and_its_channel_alone(
    open_node: Running, prefix: str
) -> None:
    client, other = await open_node.connect(), await open_node.connect()
    channel = f"private-{prefix}a"
    wrong: tuple[object, ...] = (
        sign_hmac(SECRET, other.sid, channel),
        sign_hmac(SECRET, client.sid, channel + "b"),
        sign_hmac("a guess", client.sid, channel),
        sign_hmac(SECRET, client.sid, channel, '{"id":"7"}'),
        "",
        7,
    )
    for signature in wrong:
        shown = {"channel": channel, "signature": signature}
        assert await refusal(client, SUBSCRIBE, shown) == "BAD_SIGNATURE"
    assert await refusal(client, SUBSCRIBE, {"channel": channel}) == "SIGNATURE_REQUIRED"
    signed = {"channel": f"{prefix}a", "signature": sign_hmac(SECRET, client.sid, f"{prefix}a")}
    assert await refusal(client, SUBSCRIBE, signed) == "BAD_SIGNATURE"
    assert await publish(open_node, channel) == 0


async def test_without_a_secret_the_client_and_the_log_are_told_which_option_to_set(
    running: Running, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await running.connect()
    channel = f"private-{prefix}a"
    request = {"channel": channel, "signature": sign_sha256(SECRET, client.sid, channel)}
    for _ in range(3):
        answer = await client.ask(SUBSCRIBE, request)
        assert answer["error"]["code"] == "NO_CHANNEL_SECRET"
        assert "channel_secrets" in answer["error"]["message"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([line for line in warnings if "channel_secrets" in line]) == 1


async def test_presence_data_of_pushys_backends_make_a_member_of_each_session(
    open_node: Running, prefix: str
) -> None:
    """The SDK for PHP signs the JSON text encoded once more, and gives its data no id."""
    channel = f"private-{prefix}a"
    presence = r'{"username":"Zo\u00eb","avatar":"http:\/\/x.org\/a.png"}'
    info = {"username": "Zoë", "avatar": "http://x.org/a.png"}
    members = []
    for user in (None, "ana"):
        client = await open_node.connect_with_token(f"{prefix}in", user=user)
        text = f"{client.sid}:{channel}:{json.dumps(presence)}:{SECRET}"
        signature = hashlib.sha256(text.encode()).hexdigest()
        shown = {"channel": channel, "signature": signature, "presence": presence}
        answer = await client.ask(SUBSCRIBE, shown)
        members.append({"id": user or client.sid, "info": info})
        assert placed(answer) == {"ok": True, "channel": channel, "members": members, "count": len(members)}


async def test_presence_data_without_a_signature_is_refused(open_node: Running, prefix: str) -> None:
    client = await open_node.connect_with_token(f"private-{prefix}a")
    shown = {"channel": f"private-{prefix}a", "presence": '{"id":"7"}'}
    assert await refusal(client, SUBSCRIBE, shown) == "SIGNATURE_REQUIRED"


async def test_a_further_token_opens_a_channel_once(open_node: Running, valkey: Valkey, prefix: str) -> None:
    client = await open_node.connect_with_token(f"{prefix}in")
    channel = f"private-{prefix}a"
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token(channel, user="ana")
    shown = {"channel": f"{prefix}b", "token": token}
    assert await refusal(client, SUBSCRIBE, shown) == "WRONG_TOKEN_ASSOCIATION"
    assert placed(await client.ask(SUBSCRIBE, {"channel": channel, "token": token})) == {
        "ok": True,
        "channel": channel,
    }
    assert await hears(client, open_node, channel)
    session = open_node.node.sessions.get(client.sid)
    assert session is not None
    assert session.user == "ana"
    other = await open_node.connect()
    assert await refusal(other, SUBSCRIBE, {"channel": channel, "token": token}) == "INVALID_TOKEN"
    assert await refusal(other, SUBSCRIBE, {"channel": channel, "token": 7}) == "WRONG_PARAMETERS"


async def test_a_token_is_a_credential_for_a_new_session(
    open_node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await open_node.connect()
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token(f"{prefix}a")
    answer = await client.ask(SUBSCRIBE, {"channel": f"{prefix}a", "token": token})
    assert placed(answer) == {"ok": True, "channel": f"{prefix}a"}
    assert await hears(client, open_node, f"{prefix}a")


async def test_a_session_may_subscribe_again_to_a_channel_that_it_has(
    open_node: Running, prefix: str
) -> None:
    channel = f"{prefix}in"
    client = await open_node.connect_with_token(channel)
    assert placed(await client.ask(SUBSCRIBE, {"channel": channel})) == {"ok": True, "channel": channel}
    assert await hears(client, open_node, channel)


async def test_an_unsubscribed_session_gets_nothing_and_may_not_subscribe_again(
    open_node: Running, prefix: str
) -> None:
    channel = f"{prefix}in"
    client = await open_node.connect_with_token(channel)
    answer = await client.ask(UNSUBSCRIBE, {"channel": channel})
    assert answer == {"ok": True, "channel": channel, "subscribed": False}
    assert await refusal(client, UNSUBSCRIBE, {"channel": channel}) == "NOT_SUBSCRIBED"
    assert await refusal(client, SUBSCRIBE, {"channel": channel}) == "FORBIDDEN"
    assert not await hears(client, open_node, channel)


@pytest.mark.parametrize("name", [None, "", 7, "hornet", "x" * 513, ["a"], {}])
async def test_what_is_no_channel_is_refused(open_node: Running, prefix: str, name: object) -> None:
    client = await open_node.connect_with_token(f"{prefix}in")
    assert await refusal(client, SUBSCRIBE, {"channel": name}) == "BAD_CHANNEL"
    assert await refusal(client, UNSUBSCRIBE, {"channel": name}) == "BAD_CHANNEL"


@pytest.mark.parametrize("args", [(), ("name",), ([],), ({},), ({"pattern": {"a": "b"}, "channel": "c"},)])
async def test_what_is_no_request_is_refused(open_node: Running, prefix: str, args: tuple[object]) -> None:
    client = await open_node.connect_with_token(f"{prefix}in")
    assert await refusal(client, SUBSCRIBE, *args) == "WRONG_PARAMETERS"


async def test_a_session_over_its_limit_keeps_its_token(
    start_node: StartNode, valkey: Valkey, prefix: str
) -> None:
    running = await start_node(limits=LimitSettings(max_channels_per_session=1))
    client = await running.connect_with_token(f"{prefix}in")
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token(f"{prefix}a")
    shown = {"channel": f"{prefix}a", "token": token}
    assert await refusal(client, SUBSCRIBE, shown) == "TOO_MANY_CHANNELS"
    await client.ask(UNSUBSCRIBE, {"channel": f"{prefix}in"})
    assert (await client.ask(SUBSCRIBE, shown))["ok"] is True
