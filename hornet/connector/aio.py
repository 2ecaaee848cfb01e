"""The connector for asyncio backends: the same calls, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError, TimeoutError

from hornet.broker import user_commands as orders
from hornet.broker.user_commands import User
from hornet.connector import commands
from hornet.connector.http import is_http
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S, create_token


class AsyncConnector:
    """What :class:`hornet.connector.Connector` does, for one event loop."""

    def __new__(cls, redis: object = commands.DEFAULT_URL, **options: object) -> AsyncConnector:
        """A connector over HTTP where the URL is one of HTTP."""
        if cls is AsyncConnector and is_http(redis):
            from hornet.connector.http_aio import AsyncHttpConnector

            return object.__new__(AsyncHttpConnector)
        return object.__new__(cls)

    def __init__(
        self,
        redis: str | Redis | RedisCluster = commands.DEFAULT_URL,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
    ) -> None:
        if key is not None:
            raise ValueError("a key is for the URL of an HTTP API")
        self._owns_redis = isinstance(redis, str)
        self.redis: Redis | RedisCluster = Redis.from_url(redis) if isinstance(redis, str) else redis
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
        """See :meth:`hornet.connector.Connector.create_access_token`."""
        token = create_token(self.token_length)
        grant = commands.make_grant(channels, user, info, publish)
        async with self.redis.pipeline(transaction=True) as pipeline:
            for command in commands.token_commands(token, grant, self.ttl if ttl is None else ttl):
                pipeline.execute_command(*command)
            await pipeline.execute()
        return token

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """See :meth:`hornet.connector.Connector.publish`."""
        heard = 0
        for command in commands.publish_commands(channels, type, message, options or {}):
            heard += int(await self.redis.execute_command(*command))
        return heard

    async def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        """See :meth:`hornet.connector.Connector.disconnect_tokens`."""
        return int(await self.redis.execute_command(*commands.disconnect_command(tokens)))

    async def set_user_session(self, user: User, session_id: str, ttl: int | None = None) -> None:
        """See :meth:`hornet.connector.Connector.set_user_session`."""
        await self._execute(orders.set_user_session_command(user, session_id, ttl))

    async def remove_user_session(self, user: User) -> bool:
        """See :meth:`hornet.connector.Connector.remove_user_session`."""
        return bool(await self._execute(orders.remove_user_session_command(user)))

    async def notify(self, users: User | Iterable[User], event: str, payload: Any = None) -> int:
        """See :meth:`hornet.connector.Connector.notify`."""
        return sum(
            [int(await self._execute(command)) for command in orders.notify_commands(users, event, payload)]
        )

    async def subscribe_user(self, user: User, channels: str | Iterable[str]) -> int:
        """See :meth:`hornet.connector.Connector.subscribe_user`."""
        return int(await self._execute(orders.subscribe_command(user, channels)))

    async def unsubscribe_user(self, user: User, channels: str | Iterable[str] | None = None) -> int:
        """See :meth:`hornet.connector.Connector.unsubscribe_user`."""
        if channels is None:
            channels = await self.user_channels(user)
        return int(await self._execute(orders.unsubscribe_command(user, channels))) if channels else 0

    async def user_channels(self, user: User) -> list[str]:
        """See :meth:`hornet.connector.Connector.user_channels`."""
        return commands.texts(await self._execute(orders.channels_command(user)))

    async def is_online(self, user: User) -> bool:
        """See :meth:`hornet.connector.Connector.is_online`."""
        return await self._execute(orders.online_command(user)) is not None

    async def disconnect_user(self, users: User | Iterable[User]) -> int:
        """See :meth:`hornet.connector.Connector.disconnect_user`."""
        return sum([int(await self._execute(command)) for command in orders.disconnect_user_commands(users)])

    async def subscribe(
        self, events: str | Iterable[str] = commands.CLASSIC_EVENTS
    ) -> AsyncIterator[commands.Event]:
        """See :meth:`hornet.connector.Connector.subscribe`."""
        async with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(*commands.event_topics(events))
            while True:
                try:
                    item = await pubsub.get_message(timeout=commands.POLL_S)
                except UnicodeDecodeError:  # only where the client decodes; its connection is out of step now
                    commands.log.warning("Skipped what is no text on Hornet's event topics")
                    await pubsub.connection.disconnect()
                    continue
                except (ConnectionError, TimeoutError) as error:
                    commands.log.warning("Lost the subscription to Hornet's events (%s)", error)
                    await asyncio.sleep(commands.RETRY_S)
                    continue  # redis-py connects and subscribes again on the next call
                if item is None:
                    continue
                event = commands.parse_event(item["channel"], item["data"])
                if event is not None:
                    yield event

    async def _execute(self, command: commands.RedisCommand) -> Any:
        return await self.redis.execute_command(*command)

    async def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        if self._owns_redis:
            await self.redis.aclose()

    async def __aenter__(self) -> AsyncConnector:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
