"""The transport of the asynchronous connector through the HTTP API.

This module loads aiohttp, so it is imported only where a connector has an HTTP URL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeVar

import aiohttp
from redis.asyncio import Redis, RedisCluster

from hornet.connector.api import (
    TIMEOUT_S,
    ApiAddress,
    ApiRequest,
    ApiUnavailable,
    RedisRequired,
    parse_answer,
)
from hornet.connector.calls import ConnectorCall
from hornet.connector.events import Event

T = TypeVar("T")


class AiohttpTransport:
    """Sends the requests of calls to the API, for one event loop."""

    def __init__(self, address: ApiAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    @property
    def redis(self) -> Redis | RedisCluster:
        """Raise ``RedisRequired``: there is no client."""
        raise RedisRequired("commands of your own")

    async def run(self, call: ConnectorCall[T]) -> T:
        """Carry out a call.

        Raises:
            ApiError: Hornet refused the request.
            ApiUnavailable: Hornet was not reached, or did not answer.
        """
        return call.read_response(await self._call_api(call.request()))

    def subscribe(self, names: str | Iterable[str]) -> AsyncIterator[Event]:
        """Raise ``RedisRequired``: the API publishes no events."""
        raise RedisRequired("events of clients")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call_api(self, request: ApiRequest) -> dict[str, Any]:
        try:
            try:
                answer = await self._send(request)
            except aiohttp.ServerDisconnectedError:
                # Hornet closed the connection while it was idle. ApiRequest says why it may be sent again.
                answer = await self._send(request)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise ApiUnavailable(f"{self._address.base}: {error or type(error).__name__}") from error
        return parse_answer(*answer)

    async def _send(self, request: ApiRequest) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(headers=self._address.headers, timeout=timeout)
        url = self._address.base + request.path
        async with self._session.request(
            request.method, url, data=request.body, headers=request.headers, allow_redirects=False
        ) as response:
            return response.status, await response.read()
