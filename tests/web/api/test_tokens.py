"""Tokens made and revoked over HTTP."""

from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.core.grants import parse_grant
from tests.e2e.backend import Backend
from tests.web.api.conftest import Api, StartApi, admitted


async def test_a_token_lets_one_client_into_its_channels(api: Api, prefix: str) -> None:
    answer = await api.post("/api/tokens", {"channels": [prefix, prefix + "2"]})
    assert answer.status == 201
    assert answer.body["ttl"] == 120
    token = answer.body["token"]
    client = await api.connect({"token": token, "channels": [prefix]})
    assert (await client.message())["type"] == "connected"
    late = await api.connect({"token": token, "channels": [prefix]})
    assert (await late.message())["error"] == "INVALID_TOKEN"


async def test_a_token_carries_user_info_and_where_its_client_may_publish(
    api: Api, redis: Redis, prefix: str
) -> None:
    asked = {"channels": prefix, "ttl": 50, "user": 7, "info": {"name": "Ada"}, "publish": ["room-*"]}
    token = (await api.post("/api/tokens", asked)).body["token"]
    assert await redis.smembers(f"hornet:token:{token}") == {prefix.encode()}
    assert 48 <= await redis.ttl(f"hornet:token:{token}") <= 50
    stored = await redis.get(f"{{hornet:token:{token}}}:grant")
    assert isinstance(stored, bytes)
    grant = parse_grant(stored)
    assert (grant.user, grant.info, grant.publish) == ("7", {"name": "Ada"}, ("room-*",))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_REQUEST"),
        ({"channels": []}, "INVALID_REQUEST"),
        ({"channels": "hornet"}, "RESERVED_CHANNEL"),
        ({"channels": ["a", "room-*"]}, "INVALID_REQUEST"),
        ({"channels": "a", "ttl": 0}, "INVALID_REQUEST"),
        ({"channels": "a", "ttl": 604_801}, "INVALID_REQUEST"),
        ({"channels": "a", "user": ""}, "INVALID_REQUEST"),
        ({"channels": "a", "user": True}, "INVALID_REQUEST"),
        ({"channels": "a", "info": "x" * 70_000}, "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_token_is_refused(api: Api, body: Any, code: str) -> None:
    assert (await api.post("/api/tokens", body)).code == code


async def test_revoked_tokens_end_their_sessions_on_every_node_and_open_nothing(
    start_api: StartApi, backend: Backend, prefix: str
) -> None:
    one, two = await start_api(), await start_api()
    used, unused = await backend.token(prefix), await backend.token(prefix)
    client = await two.connect({"token": used, "channels": [prefix]})
    assert (await client.message())["type"] == "connected"
    staying = await admitted(two, backend, prefix)
    answer = await one.post("/api/tokens/revoke", {"tokens": [unused, used]})
    assert answer.status == 200
    assert answer.body["nodes"] >= 2, "the control channel is heard by every node on this Valkey"
    assert (await client.message())["error"] == "TOKEN_REVOKED"
    await client.expect_closed()
    late = await one.connect({"token": unused, "channels": [prefix]})
    assert (await late.message())["error"] == "INVALID_TOKEN"
    await one.post("/api/publish", {"channels": prefix, "type": "still here"})
    assert (await staying.message())["type"] == "still here"
