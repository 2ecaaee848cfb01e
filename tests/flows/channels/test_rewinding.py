"""Subscribing with ``rewind`` or ``since``: the past of a channel comes first, whole, in order and once."""

import asyncio
import json
from typing import Any

import pytest

from hornet.broker.history import Publication
from hornet.broker.keys import channel_topic
from hornet.broker.settings import HistorySettings
from hornet.core.history import StreamPosition, parse_offset, parse_position
from hornet.core.signatures import sign_hmac
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.settings import ChannelSettings
from tests.conftest import Valkey
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode
from tests.flows.recovery.publishing import DEEP, Recording, recording

SUBSCRIBE = "hornet:subscribe"
UNSUBSCRIBE = "hornet:unsubscribe"
SECRET = "a secret of the backend"
ROUNDS = 60


@pytest.fixture
def settings() -> ChannelSettings:
    return ChannelSettings(public_channels=("*",), channel_secrets=(SECRET,))


@pytest.fixture
async def node(start_node: StartNode, settings: ChannelSettings) -> Running:
    """A node whose channels are public, and keep more than any test publishes."""
    return await start_node(channels=settings, history=DEEP)


async def publish(backend: Recording, channel: str, *numbers: int, **further: object) -> StreamPosition:
    """Publish numbered messages, recorded; return the position of the last."""
    topic = channel_topic(channel)
    texts = [json.dumps({"type": "n", "n": number, **further}) for number in numbers]
    recorded = await backend.store.publish([Publication(topic, text) for text in texts])
    assert recorded[-1].position is not None
    return recorded[-1].position


async def subscribe(client: Client, channel: str, **request: object) -> dict[str, Any]:
    answer = await client.ask(SUBSCRIBE, {"channel": channel, **request})
    assert answer.get("ok") is True, answer
    return dict(answer)


async def numbers(client: Client, count: int) -> list[int]:
    return [(await client.message())["n"] for _ in range(count)]


async def test_the_answer_comes_first_then_the_past_then_what_is_new(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        last = await publish(backend, prefix, *range(5))
        number = await client.begin(SUBSCRIBE, {"channel": prefix, "rewind": 3})
        packet = await client.packet()
        assert packet.startswith(f"43{number}[")
        [answer] = json.loads(packet[len(f"43{number}") :])
        assert answer.keys() == {"ok", "channel", "position"}
        assert parse_position(answer["position"]) >= last
        await publish(backend, prefix, 5)
        assert await numbers(client, 4) == [2, 3, 4, 5]


async def test_a_subscription_goes_on_from_a_position(node: Running, valkey: Valkey, prefix: str) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        since = await publish(backend, prefix, 1)
        await publish(backend, prefix, 2, 3)
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is True
        await publish(backend, prefix, 4)
        assert await numbers(client, 3) == [2, 3, 4]


async def test_the_position_of_an_answer_is_where_the_next_subscription_goes_on(
    start_node: StartNode, settings: ChannelSettings, valkey: Valkey, prefix: str
) -> None:
    nodes = [await start_node(channels=settings, history=DEEP) for _ in range(2)]
    clients = [await node.connect_with_token(f"{prefix}in") for node in nodes]
    async with recording(valkey.url) as backend:
        await subscribe(clients[0], prefix)
        await publish(backend, prefix, 1)
        assert await numbers(clients[0], 1) == [1]
        position = (await subscribe(clients[0], prefix))["position"]
        assert parse_offset(position).node == nodes[0].node.nodes.id
        for number, client in ((2, clients[1]), (3, clients[0])):
            await clients[0].ask(UNSUBSCRIBE, {"channel": prefix})
            await publish(backend, prefix, number)
            answer = await subscribe(client, prefix, since=position)
            assert answer["recovered"] is True
            assert await numbers(client, 1) == [number]
            position = answer["position"]


async def test_positions_that_mean_nothing_here_are_told(node: Running, valkey: Valkey, prefix: str) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        last = await publish(backend, prefix, 1, 2)
        for since in (f"{last.epoch}-{last.id + 10**9}", f"other-{last.id}", f"{last.epoch}-1"):
            answer = await subscribe(client, prefix, since=since)
            assert answer["recovered"] is False
            await client.ask(UNSUBSCRIBE, {"channel": prefix})
        await subscribe(client, prefix)
        await publish(backend, prefix, 3)
        assert await numbers(client, 1) == [3], "nothing is told twice, and nothing in part"


async def test_a_past_that_is_too_long_is_told(
    start_node: StartNode, settings: ChannelSettings, valkey: Valkey, prefix: str
) -> None:
    node = await start_node(channels=settings, recovery=RecoverySettings(replay_bytes=5_000), history=DEEP)
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        since = await publish(backend, prefix, 0)
        await publish(backend, prefix, 1, 2, 3, text="x" * 2000)
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is False
        await client.ask(UNSUBSCRIBE, {"channel": prefix})
        await subscribe(client, prefix, rewind=10)
        assert await numbers(client, 2) == [2, 3], "the newest that fit"


async def test_a_past_that_is_no_longer_kept_is_told(
    start_node: StartNode, settings: ChannelSettings, valkey: Valkey, prefix: str
) -> None:
    shallow = HistorySettings(history_channels=(f"{prefix}*=100:120:400",))
    node = await start_node(channels=settings, history=shallow)
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url, shallow) as backend:
        since = await publish(backend, prefix, 0)
        await publish(backend, prefix, *range(1, 40))
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is False


async def test_a_plain_publish_that_another_node_heard_is_told(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        since = await publish(backend, prefix, 1)
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is True
        await client.ask(UNSUBSCRIBE, {"channel": prefix})
        await backend.store.note_plain([channel_topic(prefix)])
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is False


async def test_a_channel_on_which_nothing_was_recorded_is_not_known_to_be_whole(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        since = await publish(backend, f"{prefix}other", 1)
        assert (await subscribe(client, prefix, since=str(since)))["recovered"] is False


async def test_a_node_that_held_the_channel_has_plain_publishes_too(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    stays, returns = [await node.connect_with_token(f"{prefix}in") for _ in range(2)]
    async with recording(valkey.url) as backend:
        await subscribe(stays, prefix)
        position = (await subscribe(returns, prefix))["position"]
        await returns.ask(UNSUBSCRIBE, {"channel": prefix})
        for number in range(6):
            way = backend.plain if number % 2 else backend.record
            await way(channel_topic(prefix), {"type": "n", "n": number})
        assert await numbers(stays, 6) == list(range(6))
        answer = await subscribe(returns, prefix, since=position)
        assert answer["recovered"] is True
        assert await numbers(returns, 6) == list(range(6))


async def test_only_and_except_hold_for_the_past(node: Running, valkey: Valkey, prefix: str) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    [token] = node.session(client).tokens
    async with recording(valkey.url) as backend:
        since = await publish(backend, prefix, 0)
        await publish(backend, prefix, 1, only=[token])
        await publish(backend, prefix, 2, only="another")
        await publish(backend, prefix, 3, **{"except": client.sid})
        await publish(backend, prefix, 4)
        for request in ({"since": str(since)}, {"rewind": 2}):
            await subscribe(client, prefix, **request)
            assert await numbers(client, 2) == [1, 4]
            await client.ask(UNSUBSCRIBE, {"channel": prefix})


async def test_a_channel_that_the_session_has_can_be_rewound(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(prefix)
    async with recording(valkey.url) as backend:
        await publish(backend, prefix, 1, 2)
        assert await numbers(client, 2) == [1, 2]
        await subscribe(client, prefix, rewind=1)
        await publish(backend, prefix, 3)
        assert await numbers(client, 2) == [2, 3]


async def test_the_past_comes_also_where_no_answer_was_asked_for(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    async with recording(valkey.url) as backend:
        await publish(backend, prefix, 1)
        await client.emit(SUBSCRIBE, {"channel": prefix, "rewind": 1})
        assert await numbers(client, 1) == [1]


async def test_several_subscriptions_each_have_their_past(node: Running, valkey: Valkey, prefix: str) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    names = [f"{prefix}{letter}" for letter in "abc"]
    async with recording(valkey.url) as backend:
        for number, name in enumerate(names):
            await publish(backend, name, number)
        wanted = [{"channel": name, "rewind": 1} for name in names]
        answer = await client.ask(SUBSCRIBE, {"subscriptions": wanted})
        assert all("position" in each for each in answer["subscriptions"])
        assert await numbers(client, 3) == [0, 1, 2]


async def test_a_member_of_presence_gets_the_past_before_the_members(
    node: Running, valkey: Valkey, prefix: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    channel = f"private-{prefix}a"
    async with recording(valkey.url) as backend:
        await publish(backend, channel, 1)
        presence = '{"id":"ann"}'
        signature = sign_hmac(SECRET, client.sid, channel, presence)
        request = {"channel": channel, "signature": signature, "presence": presence}
        number = await client.begin(SUBSCRIBE, {**request, "rewind": 1})
        assert await numbers(client, 1) == [1]
        answer = await client.answer(number)
        assert (answer["members"], "position" in answer) == ([{"id": "ann"}], True)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"since": "x"}, "BAD_POSITION"),
        ({"since": 7}, "BAD_POSITION"),
        ({"rewind": 0}, "WRONG_PARAMETERS"),
        ({"rewind": "3"}, "WRONG_PARAMETERS"),
        ({"rewind": 3, "since": "a-1"}, "WRONG_PARAMETERS"),
    ],
)
async def test_a_malformed_request_changes_nothing(
    node: Running, prefix: str, request_: dict[str, object], code: str
) -> None:
    client = await node.connect_with_token(f"{prefix}in")
    assert await refusal(client, SUBSCRIBE, {"channel": prefix, **request_}) == code
    assert await refusal(client, UNSUBSCRIBE, {"channel": prefix}) == "NOT_SUBSCRIBED"


class Stream:
    """A backend that publishes 0, 1, 2, ... without a pause, and knows the positions of all of them."""

    def __init__(self, backend: Recording, channel: str) -> None:
        self.positions: list[StreamPosition] = []
        self._backend = backend
        self._channel = channel
        self._published = asyncio.Event()

    async def run(self) -> None:
        while True:
            self.positions.append(await publish(self._backend, self._channel, len(self.positions)))
            self._published.set()

    async def wait_for(self, count: int) -> None:
        """Return when so many are published."""
        while len(self.positions) < count:
            self._published.clear()
            await self._published.wait()


@pytest.mark.parametrize("how", ["since", "rewind", "both nodes"])
async def test_each_number_comes_once_and_in_order_whenever_a_client_subscribes(
    start_node: StartNode, settings: ChannelSettings, valkey: Valkey, prefix: str, how: str
) -> None:
    """The publisher never rests, so each subscription falls between two numbers, and often upon one.

    One of the clients may come back, so its record is written before each answer.
    """
    nodes = [await start_node(channels=settings, history=DEEP) for _ in range(2)]
    clients = [await nodes[0].connect_with_token(f"{prefix}in"), await returning(nodes[1], f"{prefix}in")]
    async with recording(valkey.url) as backend:
        stream = Stream(backend, prefix)
        running = asyncio.create_task(stream.run())
        await stream.wait_for(20)
        position: str | None = None
        for round_ in range(ROUNDS):
            client = clients[round_ % 2]
            first = len(stream.positions) - 3 - round_ % 7
            if how == "since":
                request: dict[str, object] = {"since": str(stream.positions[first - 1])}
            elif how == "rewind":
                request = {"rewind": 1 + round_ % 9}
            else:
                request = {"since": position or str(stream.positions[first - 1])}
            answer = await subscribe(client, prefix, **request)
            assert answer.get("recovered", True) is True
            position = answer["position"]
            heard = await numbers(client, 15)
            if how == "since":
                assert heard[0] == first
            assert heard == list(range(heard[0], heard[0] + 15)), (round_, request)
            await client.ask(UNSUBSCRIBE, {"channel": prefix})
            await drop_messages(client)
            await stream.wait_for(len(stream.positions) + round_ % 3)
        running.cancel()
        await asyncio.wait({running})


async def returning(node: Running, channel: str) -> Client:
    """Connect a client whose session may come back."""
    token = await node.create_token(channel)
    client = await node.connect({"token": token, "channels": [channel], "positions": True})
    assert "session" in await client.message()
    return client


async def drop_messages(client: Client) -> None:
    """Read what was sent before the client left its channel."""
    number = await client.begin("hornet:history", {})
    while not (await client.packet()).startswith(f"43{number}["):
        pass
