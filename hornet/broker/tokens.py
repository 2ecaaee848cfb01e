"""Tokens in Redis: taken by exactly one client, or left untouched."""

from __future__ import annotations

from collections.abc import Collection

from hornet.broker.batches import Batches
from hornet.broker.client import Client, call
from hornet.broker.keys import token_key
from hornet.core.credentials import Credentials
from hornet.core.errors import RefusedCredentials

# One step in Redis, so that of two clients with one token exactly one finds it. A refusal changes nothing.
_TAKE = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'set' then return 'INVALID_TOKEN' end
for _, channel in ipairs(ARGV) do
  if redis.call('SISMEMBER', KEYS[1], channel) == 0 then return 'WRONG_TOKEN_ASSOCIATION' end
end
redis.call('DEL', KEYS[1])
return 'TAKEN'
"""

# A token without its expiry would live for good, so both are set in one step.
_CREATE = """
redis.call('SADD', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


class TokenStore:
    """The one-time tokens that connectors put into Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._batches = Batches(client)

    async def create(self, token: str, channels: Collection[str], ttl_s: int) -> None:
        """Make ``token`` open ``channels`` for one client within ``ttl_s``.

        Raises:
            RedisUnavailable: not known whether the token exists.
        """
        await call(self._client.eval, _CREATE, 1, token_key(token), ttl_s, *channels)

    async def take(self, credentials: Credentials) -> None:
        """Consume the token if it grants every channel asked for.

        Raises:
            RefusedCredentials: ``INVALID_TOKEN`` or ``WRONG_TOKEN_ASSOCIATION``; the token is as it was.
            RedisUnavailable: not known whether the token was consumed.
        """
        command = ("EVAL", _TAKE, 1, token_key(credentials.token), *credentials.channels)
        verdict = await self._batches.execute(*command)
        if verdict != b"TAKEN":
            raise RefusedCredentials(verdict.decode(), "refused by Redis")

    async def revoke(self, tokens: Collection[str]) -> None:
        """Delete unused tokens. Deleting one that is gone already is no error.

        Raises:
            RedisUnavailable: some may live until they expire.
        """
        for token in tokens:
            await call(self._client.delete, token_key(token))
