"""Making tokens for backends that come over HTTP."""

from __future__ import annotations

from hornet.broker.tokens import TokenStore
from hornet.core.grants import Grant
from hornet.core.tokens import create_token


class Ticketing:
    """Makes one-time tokens, as connectors do."""

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens

    async def create(self, grant: Grant, ttl_s: int) -> str:
        """A fresh token that gives ``grant`` to one client within ``ttl_s``.

        Raises:
            ValueError: the grant's info can't be kept.
            RedisUnavailable: not known whether the token exists; nobody knows it.
        """
        token = create_token()
        await self._tokens.create(token, grant, ttl_s)
        return token
