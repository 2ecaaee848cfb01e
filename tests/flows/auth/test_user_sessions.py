"""A session id that the backend registered proves to be its user."""

import json
from collections.abc import AsyncIterator

import pytest

from hornet.connector import AsyncConnector
from tests.conftest import Valkey
from tests.flows.conftest import Running, StartNode

HASH = "507909951498732"


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


def refused(code: str) -> tuple[str, dict[str, str]]:
    return "message", {"error": "You're not authorized", "code": code}


def refused_by_text(code: str) -> tuple[str, str]:
    event, body = refused(code)
    return event, json.dumps(body, separators=(",", ":"))


async def test_a_registered_session_is_its_user_and_is_answered_in_the_form_in_which_it_is_shown(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    await backend.set_user_session(prefix, HASH)
    shown = {"userId": prefix, "hash": HASH}
    text, thing = await running.connect(), await running.connect()
    await text.emit("message", json.dumps(shown))
    await thing.emit("message", shown)
    auth = await running.connect(auth=shown)
    answer = {"auth": f"Authorized as {prefix}"}
    for client, argument in ((text, f'{{"auth":"Authorized as {prefix}"}}'), (thing, answer), (auth, answer)):
        assert await client.event() == ("message", argument)
        assert running.session(client).user == prefix


async def test_a_number_is_a_user_id(running: Running, backend: AsyncConnector) -> None:
    await backend.set_user_session(4711, HASH)
    client = await running.connect()
    await client.emit("message", {"userId": 4711, "hash": HASH})
    assert await client.event() == ("message", {"auth": "Authorized as 4711"})


async def test_a_client_that_wants_objects_is_answered_by_objects_also_when_it_shows_text(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    await backend.set_user_session(prefix, HASH)
    client = await running.connect(auth={"delivery": "event"})
    await client.emit("message", json.dumps({"userId": prefix, "hash": "wrong"}))
    assert await client.event() == refused("INVALID_SESSION")
    await client.emit("message", json.dumps({"userId": prefix, "hash": HASH}))
    assert await client.event() == ("message", {"auth": f"Authorized as {prefix}"})


@pytest.mark.parametrize("session_id", ["wrong", HASH[:-1], HASH + "0", "é"])
async def test_another_hash_is_refused_and_the_socket_stays(
    running: Running, backend: AsyncConnector, prefix: str, session_id: str
) -> None:
    await backend.set_user_session(prefix, HASH)
    client = await running.connect()
    await client.emit("message", {"userId": prefix, "hash": session_id})
    assert await client.event() == refused("INVALID_SESSION")
    assert running.session(client).user is None
    await client.emit("message", {"userId": prefix, "hash": HASH})
    assert await client.event() == ("message", {"auth": f"Authorized as {prefix}"})


async def test_a_second_session_replaces_the_first_and_a_removed_one_is_none(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    await backend.set_user_session(prefix, "first")
    await backend.set_user_session(prefix, "second")
    client = await running.connect()
    await client.emit("message", {"userId": prefix, "hash": "first"})
    assert await client.event() == refused("INVALID_SESSION")
    await backend.remove_user_session(prefix)
    await client.emit("message", {"userId": prefix, "hash": "second"})
    assert await client.event() == refused("INVALID_SESSION")


@pytest.mark.parametrize(
    "shown",
    [{"userId": 1, "hash": ""}, {"userId": {}, "hash": "h"}, {"userId": 1}, {"hash": "h", "channels": ["a"]}],
    ids=str,
)
async def test_malformed_ones_are_refused_without_a_look_into_redis(
    running: Running, shown: dict[str, object]
) -> None:
    client = await running.connect()
    await client.emit("message", shown)
    assert await client.event() == refused("WRONG_PARAMETERS")
    await client.emit("message", json.dumps(shown))
    assert await client.event() == refused_by_text("WRONG_PARAMETERS")


async def test_text_that_is_no_json_is_answered_by_an_object_with_an_error(running: Running) -> None:
    client = await running.connect()
    await client.emit("message", "{userId: 1}")
    assert (await client.message())["error"] == "WRONG_PARAMETERS"


async def test_auth_with_a_user_id_alone_is_no_attempt(running: Running, prefix: str) -> None:
    client = await running.connect(auth={"userId": 7})
    await client.show(await running.create_token(prefix), prefix)
    assert (await client.message())["type"] == "connected"


async def test_guessing_closes_the_socket_for_good(start_node: StartNode, prefix: str) -> None:
    client = await (await start_node(max_attempts=2)).connect()
    for guess in range(4):
        await client.emit("message", {"userId": prefix, "hash": str(guess)})
    assert [await client.event() for _ in range(3)] == [
        refused("INVALID_SESSION"),
        refused("INVALID_SESSION"),
        refused("TOO_MANY_ATTEMPTS"),
    ]
    await client.expect_closed()
