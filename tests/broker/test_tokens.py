"""One-time tokens, as Redis holds them."""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from hornet.broker.client import connect
from hornet.broker.keys import grant_key, token_key
from hornet.broker.tokens import TokenStore
from hornet.broker.url import RedisUrl
from hornet.core.credentials import Credentials
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.tokens import create_token
from tests.broker.servers import RedisServer
from tests.conftest import Valkey

STRANGE = ("a:b::c", "with space", "žluťoučký 🐎", "line\r\nbreak", "*", '"quoted"', "\x00", "-1", "x" * 512)


@pytest.fixture
def tokens(redis: Redis) -> TokenStore:
    return TokenStore(redis)


@pytest.fixture
def token() -> str:
    """A token that no other test has."""
    return create_token()


async def refusal(tokens: TokenStore, token: str, *channels: str) -> str:
    with pytest.raises(RefusedCredentials) as raised:
        await tokens.take(Credentials(token, channels))
    return raised.value.code


async def test_a_token_is_taken_once(tokens: TokenStore, token: str, redis: Redis) -> None:
    await tokens.create(token, Grant(channels=("a", "b")), 120)
    assert 118 <= await redis.ttl(token_key(token)) <= 120
    await tokens.take(Credentials(token, ("b",)))
    assert not await redis.exists(token_key(token))
    assert await refusal(tokens, token, "b") == "INVALID_TOKEN"


async def test_of_fifty_clients_with_one_token_exactly_one_gets_in(valkey: Valkey, token: str) -> None:
    stores = [TokenStore(connect(RedisUrl(valkey.url), 5.0)) for _ in range(5)]  # as from five nodes
    for _ in range(20):
        await stores[0].create(token, Grant(channels=("a", "b")), 120)
        outcomes = await asyncio.gather(
            *(store.take(Credentials(token, ("a", "b"))) for store in stores * 10), return_exceptions=True
        )
        assert outcomes.count(Grant(channels=("a", "b"))) == 1
        assert [one.code for one in outcomes if isinstance(one, RefusedCredentials)] == ["INVALID_TOKEN"] * 49
    await asyncio.gather(*(store._client.aclose() for store in stores))


@pytest.mark.parametrize("channels", [("c",), ("a", "c"), ("c", "a"), ("A",), ("a", "b", "")])
async def test_a_refused_attempt_leaves_the_token_as_it_was(
    tokens: TokenStore, token: str, redis: Redis, channels: tuple[str, ...]
) -> None:
    await tokens.create(token, Grant(channels=("a", "b")), 50)
    before = await redis.pexpiretime(token_key(token))
    assert await refusal(tokens, token, *channels) == "WRONG_TOKEN_ASSOCIATION"
    assert await redis.pexpiretime(token_key(token)) == before
    assert await redis.smembers(token_key(token)) == {b"a", b"b"}
    await tokens.take(Credentials(token, ("a", "b")))


MAKE: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda key: ("SET", key, "a"),
    "list": lambda key: ("RPUSH", key, "a"),
    "hash": lambda key: ("HSET", key, "a", "a"),
    "zset": lambda key: ("ZADD", key, "1", "a"),
    "stream": lambda key: ("XADD", key, "*", "a", "a"),
}


@pytest.mark.parametrize("kind", MAKE)
async def test_a_key_of_another_type_is_no_token_and_stays(
    tokens: TokenStore, token: str, redis: Redis, kind: str
) -> None:
    key = token_key(token)
    await redis.execute_command(*MAKE[kind](key))
    assert await refusal(tokens, token, "a") == "INVALID_TOKEN"
    assert await redis.type(key) == kind.encode()
    await tokens.revoke((token,))
    assert not await redis.exists(key)


async def test_a_token_that_never_was_or_has_expired_is_invalid(
    tokens: TokenStore, token: str, redis: Redis
) -> None:
    assert await refusal(tokens, token, "a") == "INVALID_TOKEN"
    await tokens.create(token, Grant(channels=("a",)), 120)
    await redis.pexpire(token_key(token), 0)
    assert await refusal(tokens, token, "a") == "INVALID_TOKEN"


async def test_a_token_may_open_a_hundred_channels(tokens: TokenStore, token: str) -> None:
    channels = tuple(f"channel {number}" for number in range(100))
    await tokens.create(token, Grant(channels=channels), 120)
    assert await refusal(tokens, token, *channels[:-1], "another") == "WRONG_TOKEN_ASSOCIATION"
    await tokens.take(Credentials(token, channels))


async def test_a_token_carries_its_user_to_the_client_that_takes_it(
    tokens: TokenStore, token: str, redis: Redis
) -> None:
    await tokens.create(token, Grant("ana", {"name": "Ana"}, ("a", "b"), ("b",)), 120)
    assert 118 <= await redis.ttl(grant_key(token)) <= 120
    assert await refusal(tokens, token, "c") == "WRONG_TOKEN_ASSOCIATION"
    assert await tokens.take(Credentials(token, ("a",))) == Grant("ana", {"name": "Ana"}, ("a",), ("b",))
    assert not await redis.exists(token_key(token), grant_key(token))


async def test_a_token_may_carry_a_user_and_no_channel(tokens: TokenStore, token: str) -> None:
    await tokens.create(token, Grant("ana"), 120)
    assert await refusal(tokens, token, "a") == "WRONG_TOKEN_ASSOCIATION"
    assert await tokens.take(Credentials(token, ())) == Grant("ana")
    assert await refusal(tokens, token) == "INVALID_TOKEN"


async def test_asking_for_no_channel_consumes_no_classic_token(tokens: TokenStore, token: str) -> None:
    await tokens.create(token, Grant(channels=("a",)), 120)
    assert await refusal(tokens, token) == "WRONG_PARAMETERS"
    await tokens.take(Credentials(token, ("a",)))


@pytest.mark.parametrize(
    "grant", [b"", b"[]", b"{", b'{"user":""}', b'{"user":{}}', b'{"publish":"a"}', b"\xff"]
)
async def test_a_token_with_a_malformed_grant_is_refused(
    tokens: TokenStore, token: str, redis: Redis, grant: bytes
) -> None:
    await tokens.create(token, Grant(channels=("a",)), 120)
    await redis.set(grant_key(token), grant, ex=120)
    if grant:
        assert await refusal(tokens, token, "a") == "INVALID_TOKEN"
    else:
        assert await tokens.take(Credentials(token, ("a",))) == Grant(channels=("a",))


async def test_a_revoked_token_leaves_no_grant_behind(tokens: TokenStore, token: str, redis: Redis) -> None:
    await tokens.create(token, Grant("ana", channels=("a",)), 120)
    await tokens.revoke((token,))
    assert not await redis.exists(token_key(token), grant_key(token))


@pytest.mark.parametrize("name", STRANGE)
async def test_channels_and_tokens_may_have_any_name(
    tokens: TokenStore, token: str, redis: Redis, name: str
) -> None:
    strange = token + name
    await tokens.create(strange, Grant(channels=(name, "b")), 120)
    assert await redis.smembers(f"hornet:token:{strange}") == {name.encode(), b"b"}
    assert await refusal(tokens, strange, name + " ") == "WRONG_TOKEN_ASSOCIATION"
    await tokens.take(Credentials(strange, (name,)))


async def test_revoked_tokens_are_refused(tokens: TokenStore, token: str) -> None:
    await tokens.create(token, Grant(channels=("a",)), 120)
    await tokens.create(token + "2", Grant(channels=("a",)), 120)
    await tokens.revoke((token, token + "2", "never was"))
    await tokens.revoke(())
    assert await refusal(tokens, token, "a") == "INVALID_TOKEN"
    assert await refusal(tokens, token + "2", "a") == "INVALID_TOKEN"


async def test_without_redis_every_call_says_so(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 1.0)
    tokens = TokenStore(client)
    await tokens.create("token", Grant(channels=("a",)), 120)
    own_redis.kill()
    with pytest.raises(RedisUnavailable):
        await tokens.create("other", Grant(channels=("a",)), 120)
    with pytest.raises(RedisUnavailable):
        await tokens.take(Credentials("token", ("a",)))
    with pytest.raises(RedisUnavailable):
        await tokens.revoke(("token",))
    own_redis.start()
    await tokens.create("token", Grant(channels=("a",)), 120)
    await tokens.take(Credentials("token", ("a",)))
    await client.aclose()
