"""The connector over HTTP, for asyncio backends. Loads aiohttp, so it is imported only where it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import aiohttp

from hornet.connector import commands
from hornet.connector import http as api
from hornet.connector.aio import AsyncConnector
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S


class AsyncHttpConnector(AsyncConnector):
    """What :class:`AsyncConnector` is when its URL is one of HTTP."""

    def __init__(
        self,
        redis: Any,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
    ) -> None:
        self._address = api.parse_address(redis, key, token_length)
        self._session: aiohttp.ClientSession | None = None
        self.ttl = ttl
        self.token_length = token_length

    async def create_access_token(
        self,
        channels: str | Iterable[str] = (),
        *,
        ttl: int | None = None,
        user: str | int | None = None,
        info: Any = None,
        publish: str | Iterable[str] = (),
    ) -> str:
        grant = commands.make_grant(channels, user, info, publish)
        answer = await self._call_api(api.token_request(grant, self.ttl if ttl is None else ttl))
        return str(answer["token"])

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        return api.heard(await self._call_api(api.publish_request(channels, type, message, options or {})))

    async def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        return int((await self._call_api(api.disconnect_request(tokens)))["nodes"])

    async def notify(self, users: api.User | Iterable[api.User], event: str, payload: Any = None) -> int:
        return int((await self._call_api(api.notify_request(users, event, payload)))["nodes"])

    async def subscribe_user(self, user: api.User, channels: str | Iterable[str]) -> int:
        return int((await self._call_api(api.subscribe_request(user, channels)))["changed"])

    async def unsubscribe_user(self, user: api.User, channels: str | Iterable[str] | None = None) -> int:
        return int((await self._call_api(api.unsubscribe_request(user, channels)))["changed"])

    async def user_channels(self, user: api.User) -> list[str]:
        return list((await self._call_api(api.user_request(user)))["channels"])

    async def is_online(self, user: api.User) -> bool:
        return bool((await self._call_api(api.user_request(user)))["online"])

    async def disconnect_user(self, users: api.User | Iterable[api.User]) -> int:
        return int((await self._call_api(api.disconnect_user_request(users)))["nodes"])

    def subscribe(
        self, events: str | Iterable[str] = commands.CLASSIC_EVENTS
    ) -> AsyncIterator[commands.Event]:
        raise NotImplementedError(api.NO_EVENTS)

    async def _execute(self, command: commands.RedisCommand) -> Any:
        raise NotImplementedError(api.NO_USERS)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call_api(self, request: api.ApiRequest) -> dict[str, Any]:
        """Raises:
        ApiError: Hornet refused the request.
        ApiUnavailable: it was not reached, or did not answer.
        """
        try:
            try:
                answer = await self._send(request)
            except aiohttp.ServerDisconnectedError:
                # Closed by Hornet while it was idle. The request may be sent again: see ApiRequest.
                answer = await self._send(request)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise api.ApiUnavailable(f"{self._address.base}: {error or type(error).__name__}") from error
        return api.parse_answer(*answer)

    async def _send(self, request: api.ApiRequest) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=api.TIMEOUT_S)
            self._session = aiohttp.ClientSession(headers=self._address.headers, timeout=timeout)
        url = self._address.base + request.path
        async with self._session.request(
            request.method, url, data=request.body, headers=request.headers, allow_redirects=False
        ) as response:
            return response.status, await response.read()
