"""Event ``hornet:history``: a client reads what was published on a channel that it has."""

import pytest

from hornet.broker.history import HistoryStore
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.settings import ChannelSettings
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode
from tests.recorded import record
from tests.recorded import store as store

HISTORY = "hornet:history"


async def read(client: Client, channel: str, **request: object) -> list[int]:
    answer = await client.ask(HISTORY, {"channel": channel, **request})
    assert answer["ok"] is True, answer
    return [message["n"] for message in answer["messages"]]


async def test_messages_from_before_come_with_their_positions(
    running: Running, store: HistoryStore, prefix: str
) -> None:
    first, last = await record(store, prefix, {"n": 1}, {"n": 2})
    client = await running.connect_with_token(prefix)
    assert await client.ask(HISTORY, {"channel": prefix}) == {
        "ok": True,
        "channel": prefix,
        "messages": [
            {"type": "news", "n": 1, "channel": prefix, "position": str(first)},
            {"type": "news", "n": 2, "channel": prefix, "position": str(last)},
        ],
        "position": str(last),
        "whole": True,
        "more": False,
    }


async def test_a_field_position_of_the_backend_stays(
    running: Running, store: HistoryStore, prefix: str
) -> None:
    [place] = await record(store, prefix, {"position": "left"})
    client = await running.connect_with_token(prefix)
    answer = await client.ask(HISTORY, {"channel": prefix})
    assert answer["messages"] == [
        {"type": "news", "channel": prefix, "position": "left", "hornet:position": str(place)}
    ]


async def test_a_client_asks_for_a_part_and_in_either_order(
    running: Running, store: HistoryStore, prefix: str
) -> None:
    positions = await record(store, prefix, *({"n": n} for n in range(6)))
    client = await running.connect_with_token(prefix)
    assert await read(client, prefix, limit=2) == [0, 1]
    assert await read(client, prefix, limit=2, order="desc") == [5, 4]
    assert await read(client, prefix, since=str(positions[1]), before=str(positions[4])) == [2, 3]


async def test_a_client_reads_only_what_was_for_it(
    running: Running, store: HistoryStore, prefix: str
) -> None:
    client = await running.connect_with_token(prefix)
    [token] = running.session(client).tokens
    await record(
        store,
        prefix,
        {"n": 1, "only": token},
        {"n": 2, "only": "another"},
        {"n": 3, "except": [client.sid]},
        {"n": 4, "only": [client.sid, "x"]},
        {"n": 5, "except": "another"},
    )
    answer = await client.ask(HISTORY, {"channel": prefix})
    assert [message["n"] for message in answer["messages"]] == [1, 4, 5]
    assert not any("only" in message or "except" in message for message in answer["messages"])


async def test_a_channel_that_the_session_does_not_have_is_closed_to_it(
    running: Running, store: HistoryStore, prefix: str
) -> None:
    await record(store, f"{prefix}b", {"n": 1})
    client = await running.connect_with_token(f"{prefix}a")
    assert await refusal(client, HISTORY, {"channel": f"{prefix}b"}) == "NOT_SUBSCRIBED"
    guest = await running.connect()
    assert await refusal(guest, HISTORY, {"channel": f"{prefix}b"}) == "NOT_AUTHENTICATED"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"since": "x"}, "BAD_POSITION"),
        ({"before": 7}, "BAD_POSITION"),
        ({"limit": 0}, "WRONG_PARAMETERS"),
        ({"limit": 10**9}, "WRONG_PARAMETERS"),
        ({"order": "up"}, "WRONG_PARAMETERS"),
        ({"channel": "hornet"}, "BAD_CHANNEL"),
        ({"channel": 7}, "BAD_CHANNEL"),
    ],
)
async def test_a_malformed_request_is_refused_and_counted(
    running: Running, prefix: str, request_: dict[str, object], code: str
) -> None:
    client = await running.connect_with_token(prefix)
    assert await refusal(client, HISTORY, {"channel": prefix, **request_}) == code
    assert f'hornet_refusals_total{{code="{code}"}} 1.0' in running.node.metrics.render().decode()


async def test_a_client_that_asks_without_a_pause_is_slowed_down(start_node: StartNode, prefix: str) -> None:
    running = await start_node(channels=ChannelSettings(max_history_rate=1))
    client = await running.connect_with_token(prefix)
    asked = [await client.begin(HISTORY, {"channel": prefix}) for _ in range(10)]
    answers = [await client.answer(number) for number in asked]
    refused = [answer for answer in answers if "error" in answer]
    assert {answer["error"]["code"] for answer in refused} == {"RATE_LIMITED"}
    assert answers[0]["ok"] is True
    assert len(refused) >= 7


async def test_an_answer_has_a_bounded_length_and_the_rest_comes_with_the_next(
    start_node: StartNode, store: HistoryStore, prefix: str
) -> None:
    running = await start_node(recovery=RecoverySettings(replay_bytes=5000))
    await record(store, prefix, *({"n": n, "text": "x" * 2000} for n in range(4)))
    client = await running.connect_with_token(prefix)
    answer = await client.ask(HISTORY, {"channel": prefix})
    assert [message["n"] for message in answer["messages"]] == [0, 1]
    assert answer["more"] is True
    since = answer["messages"][-1]["position"]
    assert await read(client, prefix, since=since) == [2, 3]
