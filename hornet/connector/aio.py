"""The connector for asyncio backends: the same calls, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol, Self, TypeVar

from redis.asyncio import Redis, RedisCluster

from hornet.broker.user_commands import User
from hornet.connector import calls
from hornet.connector.api import is_http, parse_address
from hornet.connector.calls import ConnectorCall
from hornet.connector.commands import DEFAULT_URL
from hornet.connector.events import CLASSIC_EVENTS, Event
from hornet.connector.redis_transport import AsyncRedisTransport
from hornet.core.message_limit import DEFAULT_MAX_MESSAGE_BYTES, MessageLimit
from hornet.core.past import DEFAULT_LIMIT
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S

T = TypeVar("T")


class AsyncTransport(Protocol):
    """How a connector reaches Hornet: through Redis, or over HTTP."""

    @property
    def redis(self) -> Redis | RedisCluster:
        """The redis-py client; raises ``RedisRequired`` where there is none."""

    async def run(self, call: ConnectorCall[T]) -> T:
        """Carry out one call and return its result."""

    def subscribe(self, names: str | Iterable[str]) -> AsyncIterator[Event]:
        """Yield events without end; raise ``RedisRequired`` where there are none."""

    async def close(self) -> None:
        """Close the connections."""


def open_async_transport(
    redis: str | Redis | RedisCluster, *, key: str | None, token_length: int, record: bool
) -> AsyncTransport:
    """Return the transport for a URL or client; it connects on first use.

    Raises:
        ValueError: an invalid URL or key, or a key, token length or ``record`` that has no meaning there.
    """
    if is_http(redis) and not record:
        raise ValueError("Hornet's HTTP API records all messages")
    if is_http(redis):
        # Here, so that a backend that goes through Redis does not load aiohttp.
        from hornet.connector.aiohttp_transport import AiohttpTransport

        return AiohttpTransport(parse_address(redis, key=key, token_length=token_length))
    if key is not None:
        raise ValueError("a key is for the URL of an HTTP API")
    return AsyncRedisTransport(redis, record=record)


class AsyncConnector:
    """The same as :class:`hornet.connector.Connector`, for one event loop."""

    def __init__(
        self,
        redis: str | Redis | RedisCluster = DEFAULT_URL,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        record: bool = True,
    ) -> None:
        self._transport = open_async_transport(redis, key=key, token_length=token_length, record=record)
        self.ttl = ttl
        self.token_length = token_length
        self._limit = MessageLimit(max_message_bytes)

    @property
    def redis(self) -> Redis | RedisCluster:
        """See :attr:`hornet.connector.Connector.redis`."""
        return self._transport.redis

    async def create_access_token(
        self,
        channels: str | Iterable[str] = (),
        *,
        ttl: int | None = None,
        user: User | None = None,
        info: Any = None,
        publish: str | Iterable[str] = (),
    ) -> str:
        """See :meth:`hornet.connector.Connector.create_access_token`."""
        call = calls.create_access_token(
            channels,
            ttl_s=self.ttl if ttl is None else ttl,
            token_length=self.token_length,
            user=user,
            info=info,
            publish=publish,
        )
        return await self._transport.run(call)

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """See :meth:`hornet.connector.Connector.publish`."""
        return await self._transport.run(calls.publish(channels, type, message, options or {}, self._limit))

    async def publish_to_pattern(self, pattern: Mapping[str, Any], payload: Any) -> int:
        """See :meth:`hornet.connector.Connector.publish_to_pattern`."""
        return await self._transport.run(calls.publish_to_pattern(pattern, payload, self._limit))

    async def history(
        self,
        channel: str,
        limit: int = DEFAULT_LIMIT,
        since: str | None = None,
        before: str | None = None,
        newest_first: bool = False,
    ) -> dict[str, Any]:
        """See :meth:`hornet.connector.Connector.history`."""
        call = calls.history(channel, limit=limit, since=since, before=before, newest_first=newest_first)
        return await self._transport.run(call)

    async def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        """See :meth:`hornet.connector.Connector.disconnect_tokens`."""
        return await self._transport.run(calls.disconnect_tokens(tokens))

    async def set_user_session(self, user: User, session_id: str, ttl: int | None = None) -> None:
        """See :meth:`hornet.connector.Connector.set_user_session`."""
        await self._transport.run(calls.set_user_session(user, session_id, ttl))

    async def remove_user_session(self, user: User) -> bool:
        """See :meth:`hornet.connector.Connector.remove_user_session`."""
        return await self._transport.run(calls.remove_user_session(user))

    async def notify(self, users: User | Iterable[User], event: str, payload: Any = None) -> int:
        """See :meth:`hornet.connector.Connector.notify`."""
        return await self._transport.run(calls.notify(users, event, payload, self._limit))

    async def subscribe_user(self, user: User, channels: str | Iterable[str]) -> int:
        """See :meth:`hornet.connector.Connector.subscribe_user`."""
        return await self._transport.run(calls.subscribe_user(user, channels))

    async def unsubscribe_user(self, user: User, channels: str | Iterable[str] | None = None) -> int:
        """See :meth:`hornet.connector.Connector.unsubscribe_user`."""
        if channels is None:
            return await self._transport.run(calls.unsubscribe_user_from_all(user))
        return await self._transport.run(calls.unsubscribe_user(user, channels))

    async def user_channels(self, user: User) -> list[str]:
        """See :meth:`hornet.connector.Connector.user_channels`."""
        return await self._transport.run(calls.user_channels(user))

    async def is_online(self, user: User) -> bool:
        """See :meth:`hornet.connector.Connector.is_online`."""
        return await self._transport.run(calls.is_online(user))

    async def disconnect_user(self, users: User | Iterable[User]) -> int:
        """See :meth:`hornet.connector.Connector.disconnect_user`."""
        return await self._transport.run(calls.disconnect_user(users))

    def subscribe(self, events: str | Iterable[str] = CLASSIC_EVENTS) -> AsyncIterator[Event]:
        """See :meth:`hornet.connector.Connector.subscribe`."""
        return self._transport.subscribe(events)

    async def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
