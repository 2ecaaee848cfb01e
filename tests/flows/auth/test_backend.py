"""The backend is asked for the user of an access token, and may answer anything."""

import asyncio

import pytest

from hornet.connector import AsyncConnector
from hornet.engine import EngineSettings
from hornet.flows.auth.settings import BackendSettings
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S
from tests.flows.auth.user_api import UserApi
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode

YES = ("user:authenticated", {"success": True})
NO = ("user:authenticated", {"success": False})
CLOSED = ("socket:closed", {"reason": "Maximum authentication attempts reached"})


async def authenticate(client: Client, shown: object) -> object:
    """Emit ``user:authenticate`` and return the acknowledgement's argument."""
    return await client.ask("user:authenticate", shown)


@pytest.mark.parametrize("shown", ["user-7", {"access_token": "user-7"}, {"accessToken": "user-7"}])
async def test_the_backend_says_whose_the_token_is(asking: Running, api: UserApi, shown: object) -> None:
    client = await asking.connect()
    assert await authenticate(client, shown) == {"ok": True, "user": "7"}
    assert await client.event() == YES
    assert asking.session(client).user == "7"
    assert api.asked == ["user-7"]


async def test_the_token_may_be_shown_in_auth(asking: Running) -> None:
    client = await asking.connect(auth={"accessToken": "user-7"})
    assert await client.event() == YES
    assert asking.session(client).user == "7"


async def test_other_clients_see_only_the_named_fields_of_the_backends_answer(
    asking: Running, start_node: StartNode, api: UserApi
) -> None:
    for running, info in (
        (asking, None),
        (await start_node(backend_uri=api.uri, backend_info="name"), {"name": "Ana"}),
    ):
        client = await running.connect()
        await authenticate(client, "user-7")
        assert running.session(client).info == info


async def test_path_and_field_can_be_set(start_node: StartNode, api: UserApi) -> None:
    running = await start_node(
        backend_uri=api.uri.removesuffix("/api"), backend_path="/api/users/me", backend_user_field="name"
    )
    assert await authenticate(await running.connect(), "user-7") == {"ok": True, "user": "Ana"}


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ("status-401", "INVALID_ACCESS_TOKEN"),
        ("status-403", "INVALID_ACCESS_TOKEN"),
        ("status-404", "INVALID_ACCESS_TOKEN"),
        ("status-429", "BACKEND_UNAVAILABLE"),
        ("status-500", "BACKEND_UNAVAILABLE"),
        ("status-304", "BACKEND_UNAVAILABLE"),
        ("redirect", "BACKEND_UNAVAILABLE"),
        ("dies", "BACKEND_UNAVAILABLE"),
        ("endless", "BACKEND_UNAVAILABLE"),
        ("garbage", "BACKEND_UNAVAILABLE"),
        ("gzip", "BACKEND_UNAVAILABLE"),
        ("nobody", "BACKEND_UNAVAILABLE"),
        ("not a token", "WRONG_PARAMETERS"),
        ("line\r\nX-Admin: 1", "WRONG_PARAMETERS"),
        ({"token": "user-7"}, "WRONG_PARAMETERS"),
        (None, "WRONG_PARAMETERS"),
    ],
)
async def test_a_failed_attempt_is_told_and_the_next_one_may_succeed(
    asking: Running, api: UserApi, shown: object, code: str
) -> None:
    client = await asking.connect()
    answer = await authenticate(client, shown)
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == code
    assert await client.event() == NO
    assert asking.session(client).user is None
    assert not api.was_followed
    assert await authenticate(client, "user-7") == {"ok": True, "user": "7"}


async def test_a_slow_backend_fails_only_that_attempt(start_node: StartNode, api: UserApi) -> None:
    running = await start_node(backend_uri=api.uri, backend_timeout=0.2)
    client = await running.connect()
    answer = await authenticate(client, "slow-1")
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == "BACKEND_UNAVAILABLE"
    assert await authenticate(client, "user-7") == {"ok": True, "user": "7"}


async def test_a_slow_attempt_delays_no_other_session(asking: Running, api: UserApi, valkey: Valkey) -> None:
    slow, quick = await asking.connect(), await asking.connect()
    member = await asking.connect_with_token("news")
    await slow.emit("user:authenticate", "slow-1")
    await asyncio.wait_for(api.slow_one_came.wait(), DEADLINE_S)
    assert await authenticate(quick, "user-7") == {"ok": True, "user": "7"}
    async with AsyncConnector(valkey.url) as backend:
        assert await backend.publish("news", "headline") == 1
    assert (await member.message())["type"] == "headline"
    api.release.set()
    assert await slow.event() == YES


async def test_an_answer_that_is_too_long_fails_the_attempt(start_node: StartNode, api: UserApi) -> None:
    client = await (await start_node(backend_uri=api.uri, backend_max_answer=10)).connect()
    assert (await authenticate(client, "user-7"))["error"]["code"] == "BACKEND_UNAVAILABLE"  # type: ignore[index]  # JSON
    assert await client.event() == NO


async def test_a_dead_backend_fails_the_attempt(start_node: StartNode) -> None:
    running = await start_node(backend_uri=f"http://127.0.0.1:{free_port()}")
    client = await running.connect()
    await client.emit("user:authenticate", "user-7")
    assert await client.event() == NO


async def test_attempts_of_one_socket_are_made_one_after_the_other(asking: Running, api: UserApi) -> None:
    client, other = await asking.connect(), await asking.connect()
    await client.emit("user:authenticate", "slow-1")
    await client.emit("user:authenticate", "status-401")
    await asyncio.wait_for(api.slow_one_came.wait(), DEADLINE_S)
    await authenticate(other, "user-7")
    assert api.asked == ["slow-1", "user-7"]
    api.release.set()
    assert [await client.event(), await client.event()] == [YES, NO]


async def test_attempts_beyond_the_connections_wait_for_their_turn(
    start_node: StartNode, api: UserApi
) -> None:
    running = await start_node(backend_uri=api.uri, backend_connections=1)
    first, second = await running.connect(), await running.connect()
    await first.emit("user:authenticate", "slow-1")
    await asyncio.wait_for(api.slow_one_came.wait(), DEADLINE_S)
    await second.emit("user:authenticate", "user-7")
    api.release.set()
    assert [await first.event(), await second.event()] == [YES, YES]
    assert api.asked == ["slow-1", "user-7"]


async def test_an_address_has_its_share_of_the_connections_and_others_have_theirs(
    start_node: StartNode, api: UserApi
) -> None:
    running = await start_node(
        backend_uri=api.uri,
        backend_connections=4,
        backend_connections_per_address=2,
        engine=EngineSettings(trusted_proxies=("127.0.0.1",)),
    )
    crowd = [await running.connect(**{"X-Forwarded-For": "192.0.2.1"}) for _ in range(8)]
    for client in crowd:
        await client.emit("user:authenticate", "slow-1")
    other = await running.connect(**{"X-Forwarded-For": "192.0.2.2"})
    assert await authenticate(other, "user-7") == {"ok": True, "user": "7"}
    assert len(api.asked) <= 3
    api.release.set()
    assert [await client.event() for client in crowd] == [YES] * 8


async def test_too_many_failures_close_the_socket_for_good(start_node: StartNode, api: UserApi) -> None:
    running = await start_node(backend_uri=api.uri, max_attempts=3)
    client = await running.connect()
    for _ in range(6):  # those behind the third are not asked
        await client.emit("user:authenticate", "status-401")
    assert [await client.event() for _ in range(4)] == [NO, NO, NO, CLOSED]
    await client.expect_closed()
    await running.wait_until_empty()
    assert len(api.asked) == 3


async def test_a_success_makes_up_for_failures(start_node: StartNode, api: UserApi) -> None:
    running = await start_node(backend_uri=api.uri, max_attempts=2)
    client = await running.connect()
    for shown, answer in (("status-401", NO), ("user-7", YES)) * 3:
        await client.emit("user:authenticate", shown)
        assert await client.event() == answer


async def test_one_users_cookies_are_not_sent_with_anothers_token(asking: Running, api: UserApi) -> None:
    for user in ("user-1", "user-2"):
        await authenticate(await asking.connect(), user)
    assert len(api.headers) == 2
    assert all("cookie" not in headers for headers in api.headers)


async def test_a_client_that_leaves_while_it_is_checked_leaves_nothing_behind(
    asking: Running, api: UserApi
) -> None:
    client = await asking.connect()
    await client.emit("user:authenticate", "slow-1")
    await asyncio.wait_for(api.slow_one_came.wait(), DEADLINE_S)
    await client.leave()
    api.release.set()
    await asking.wait_until_empty()

    assert asking.node.sessions.users() == []


async def test_without_a_backend_the_event_is_unknown(running: Running) -> None:
    client = await running.connect()
    answer = await authenticate(client, "user-7")
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == "UNKNOWN_EVENT"


async def test_a_node_stops_while_the_backend_is_slow(asking: Running, api: UserApi) -> None:
    client = await asking.connect()
    await client.emit("user:authenticate", "slow-1")
    await asyncio.wait_for(api.slow_one_came.wait(), DEADLINE_S)
    await asyncio.wait_for(asking.stop(), DEADLINE_S)
    assert not api.release.is_set()


async def test_another_users_token_is_refused_until_the_first_logs_out(asking: Running) -> None:
    client = await asking.connect()
    await authenticate(client, "user-7")
    assert await client.event() == YES
    answer = await authenticate(client, "user-8")
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == "OTHER_USER"
    assert await client.event() == NO
    await client.ask("user:logout")
    assert await authenticate(client, "user-8") == {"ok": True, "user": "8"}


async def test_an_outage_is_logged_without_the_token_and_not_for_each_attempt(
    asking: Running, caplog: pytest.LogCaptureFixture
) -> None:
    client = await asking.connect()
    for _ in range(3):
        await authenticate(client, "garbage-secret")
    said = [one.getMessage() for one in caplog.records if "can't be asked" in one.getMessage()]
    assert len(said) == 1
    assert "garbage-secret" not in caplog.text


async def test_no_number_of_failures_closes_a_socket_where_attempts_are_unlimited(
    start_node: StartNode, api: UserApi
) -> None:
    running = await start_node(backend_uri=api.uri, max_attempts=0)
    client = await running.connect()
    for _ in range(7):
        await client.emit("user:authenticate", "status-401")
        assert await client.event() == NO
    await client.emit("user:authenticate", "user-7")
    assert await client.event() == YES


async def test_further_headers_go_to_the_backend_beside_the_users_token(
    start_node: StartNode, api: UserApi
) -> None:
    lines = ("X-Api-Token: s3cret", "x-stage:test")
    running = await start_node(backend_uri=api.uri, backend_headers=lines)
    assert await authenticate(await running.connect(), "user-7") == {"ok": True, "user": "7"}
    [headers] = api.headers
    assert (headers["x-api-token"], headers["x-stage"]) == ("s3cret", "test")
    assert headers["authorization"] == "Bearer user-7"
    assert "s3cret" not in repr(running.node.config)


@pytest.mark.parametrize(
    "line",
    [
        *("X-Api-Token", "X Api: s3cret", ": s3cret", "X-Api-Token:", "X-Api-Token: s3cret\r\nX-Admin: 1"),
        *("X-Api-Token: s3cr\u00e9t", "authorization: s3cret", "Host: s3cret", "Cookie: s3cret"),
    ],
)
def test_a_further_header_that_can_not_be_sent_is_refused_at_start(line: str) -> None:
    with pytest.raises(ValueError, match="backend_headers") as refused:
        BackendSettings(backend_headers=(line,))
    assert "s3cr" not in str(refused.value)
