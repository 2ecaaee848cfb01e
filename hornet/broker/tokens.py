"""One-time tokens in Redis: each is consumed by exactly one client, or left untouched."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from hornet.broker.batching import ScriptBatcher
from hornet.broker.client import Client, call
from hornet.broker.keys import grant_key, may_have_grant, token_key
from hornet.core import codes
from hornet.core.credentials import Credentials
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant, dump_grant, parse_grant

log = logging.getLogger(__name__)

# One step in Redis, so that of two clients with the same token exactly one gets it. A refusal changes
# nothing.
_TAKE = """
local kind = redis.call('TYPE', KEYS[1]).ok
local grant = KEYS[2] and redis.call('GET', KEYS[2])
if kind ~= 'set' and (kind ~= 'none' or not grant) then return {'INVALID_TOKEN'} end
if #ARGV == 0 and not grant then return {'WRONG_PARAMETERS'} end
local refusal = {'WRONG_TOKEN_ASSOCIATION'}
for _, channel in ipairs(ARGV) do
  if redis.call('SISMEMBER', KEYS[1], channel) == 0 then refusal[#refusal + 1] = channel end
end
if #refusal > 1 then return refusal end
redis.call('DEL', unpack(KEYS))
return {'TAKEN', grant or ''}
"""

# A token without its expiry would live for ever, so both are set in one step.
_CREATE = """
local ttl, grant = ARGV[1], ARGV[2]
if #ARGV > 2 then
  redis.call('SADD', KEYS[1], unpack(ARGV, 3))
  redis.call('EXPIRE', KEYS[1], ttl)
end
if grant ~= '' then redis.call('SET', KEYS[2], grant, 'EX', ttl) end
return 1
"""


class TokenStore:
    """The one-time tokens that connectors put into Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._takes = ScriptBatcher(client, _TAKE)

    async def create(self, token: str, grant: Grant, ttl_s: int) -> None:
        """Make ``token`` give ``grant`` to one client within ``ttl_s``.

        Raises:
            RedisUnavailable: it is not known whether the token exists.
            ValueError: JSON can't carry the grant's info, or the info is too long.
        """
        text = dump_grant(grant)
        await call(self._client.eval, _CREATE, len(_keys(token)), *_keys(token), ttl_s, text, *grant.channels)

    async def take(self, credentials: Credentials) -> Grant:
        """Consume the token if it grants every channel asked for; the answer has these channels.

        Raises:
            RefusedCredentials: ``INVALID_TOKEN``; ``WRONG_TOKEN_ASSOCIATION`` with the ``channels`` that the
                token does not open; or ``WRONG_PARAMETERS`` where no channel is asked for and the token
                carries nothing else. The token is as it was. Also ``INVALID_TOKEN`` for a token that carries
                a malformed grant; that token is consumed.
            RedisUnavailable: it is not known whether the token was consumed.
        """
        verdict, *carried = await self._takes.execute(_keys(credentials.token), credentials.channels)
        if verdict != b"TAKEN":
            lacking = tuple(channel.decode() for channel in carried)
            raise RefusedCredentials(verdict.decode(), "refused by Redis", channels=lacking)
        if not carried[0]:
            return Grant(channels=credentials.channels)
        try:
            return replace(parse_grant(carried[0]), channels=credentials.channels)
        except ValueError as error:
            log.error("A connector stored a grant beside a token that can't be used: %s", error)
            raise RefusedCredentials(codes.INVALID_TOKEN, "its grant is malformed") from None

    async def revoke(self, tokens: Collection[str]) -> None:
        """Delete unused tokens. A token that is gone already is no error.

        Raises:
            RedisUnavailable: some tokens may live until they expire.
        """
        for token in tokens:
            await call(self._client.delete, *_keys(token))


def _keys(token: str) -> tuple[str, ...]:
    return (token_key(token), grant_key(token)) if may_have_grant(token) else (token_key(token),)
