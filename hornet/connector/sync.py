"""The connector for backends with threads or processes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from hornet.broker import user_commands as orders
from hornet.broker.user_commands import User
from hornet.connector import commands
from hornet.connector.http import is_http
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S, create_token


class Connector:
    """Tokens and publishing for a backend, straight through Redis. Safe to share between threads.

    With an ``http://`` or ``https://`` URL and a ``key`` it goes through Hornet's HTTP API instead; failures
    then come as ``ApiError`` and ``ApiUnavailable``, and ``subscribe`` is not to be had.

    ``redis`` is a URL or a ready client (for Sentinel, TLS options, or a pool of your own). ``ttl`` is how
    many seconds an unused token lives. Redis failures come as redis-py's own exceptions.
    """

    def __new__(cls, redis: object = commands.DEFAULT_URL, **options: object) -> Connector:
        """A connector over HTTP where the URL is one of HTTP."""
        if cls is Connector and is_http(redis):
            from hornet.connector.http_sync import HttpConnector

            return object.__new__(HttpConnector)
        return object.__new__(cls)

    def __init__(
        self,
        redis: str | Redis = commands.DEFAULT_URL,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
    ) -> None:
        if key is not None:
            raise ValueError("a key is for the URL of an HTTP API")
        self._owns_redis = isinstance(redis, str)
        self.redis: Redis = Redis.from_url(redis) if isinstance(redis, str) else redis
        self.ttl = ttl
        self.token_length = token_length

    def create_access_token(
        self,
        channels: str | Iterable[str] = (),
        *,
        ttl: int | None = None,
        user: str | int | None = None,
        info: Any = None,
        publish: str | Iterable[str] = (),
    ) -> str:
        """A fresh one-time token that lets one client into ``channels`` within ``ttl`` seconds.

        ``user`` says who that client is, ``info`` (any JSON) what others may see of it, and ``publish`` on
        which channels it may publish (``*`` in a name stands for any run of characters). A token with a
        user may have no channel.

        Raises:
            ValueError: neither channel nor user, a name that is none, or the reserved channel ``hornet``.
        """
        token = create_token(self.token_length)
        grant = commands.make_grant(channels, user, info, publish)
        with self.redis.pipeline(transaction=True) as pipeline:
            for command in commands.token_commands(token, grant, self.ttl if ttl is None else ttl):
                pipeline.execute_command(*command)
            pipeline.execute()
        return token

    def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish on one or several channels; ``options`` may hold ``only`` and ``except``.

        Returns how many nodes heard it, summed over the channels: 0 means that no client is there.

        Raises:
            ValueError: a malformed channel, message or option; nothing was published.
        """
        heard = 0
        for command in commands.publish_commands(channels, type, message, options or {}):
            heard += int(self.redis.execute_command(*command))
        return heard

    def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        """Close the sessions of ``tokens`` for good; kill unused ones. Returns how many nodes heard."""
        return int(self.redis.execute_command(*commands.disconnect_command(tokens)))

    def set_user_session(self, user: User, session_id: str, ttl: int | None = None) -> None:
        """Have ``session_id`` prove to be ``user``, for ``ttl`` seconds or until it is removed.

        A user has one: the one registered before counts no more. Take an id that can't be guessed, as that
        of the user's session in your own application.

        Raises:
            ValueError: no user id, no session id, or a ``ttl`` below 1.
        """
        self._execute(orders.set_user_session_command(user, session_id, ttl))

    def remove_user_session(self, user: User) -> bool:
        """Take the user's session id back; True if there was one. Clients that it let in stay."""
        return bool(self._execute(orders.remove_user_session_command(user)))

    def notify(self, users: User | Iterable[User], event: str, payload: Any = None) -> int:
        """Emit ``event`` with ``payload`` to every session of one or several users, wherever they are.

        Returns how many nodes heard it, summed over the users: 0 means that none of them is there.

        Raises:
            ValueError: no user, an event whose name is reserved, or a payload that JSON can't carry; nobody
                was notified.
        """
        return sum([int(self._execute(command)) for command in orders.notify_commands(users, event, payload)])

    def subscribe_user(self, user: User, channels: str | Iterable[str]) -> int:
        """Have all sessions of ``user``, present and future, in ``channels``; returns how many are new.

        Raises:
            ValueError: what is no user, no channel, or the reserved one.
        """
        return int(self._execute(orders.subscribe_command(user, channels)))

    def unsubscribe_user(self, user: User, channels: str | Iterable[str] | None = None) -> int:
        """Take that back, by default for all channels; returns how many of them the user had."""
        if channels is None:
            channels = self.user_channels(user)
        return int(self._execute(orders.unsubscribe_command(user, channels))) if channels else 0

    def user_channels(self, user: User) -> list[str]:
        """The channels to which ``user`` was subscribed by :meth:`subscribe_user`, sorted."""
        return commands.texts(self._execute(orders.channels_command(user)))

    def is_online(self, user: User) -> bool:
        """Whether ``user`` has a session, or had one within the grace period."""
        return self._execute(orders.online_command(user)) is not None

    def disconnect_user(self, users: User | Iterable[User]) -> int:
        """End the sessions of one or several users for good. Returns how many nodes heard, summed."""
        return sum([int(self._execute(command)) for command in orders.disconnect_user_commands(users)])

    def subscribe(self, events: str | Iterable[str] = commands.CLASSIC_EVENTS) -> Iterator[commands.Event]:
        """Yield ("connect" or "disconnect", ``{"token", "channel"}``) as clients come and go.

        ``events`` may name others: ``user:online``, ``user:session``, ``user:gone``, ``session:opened`` and
        ``session:closed``.

        The subscription starts with the first step of the iteration, which raises when Redis is not there.
        A connection that is lost later is replaced, however long that takes; what happened meanwhile is not
        told. What is no event of Hornet's is skipped. Both are logged as warnings.
        """
        with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe(*commands.event_topics(events))
            while True:
                try:
                    item = pubsub.get_message(timeout=commands.POLL_S)
                except UnicodeDecodeError:  # only where the client decodes; its connection is out of step now
                    commands.log.warning("Skipped what is no text on Hornet's event topics")
                    pubsub.connection.disconnect()
                    continue
                except (ConnectionError, TimeoutError) as error:
                    commands.log.warning("Lost the subscription to Hornet's events (%s)", error)
                    time.sleep(commands.RETRY_S)
                    continue  # redis-py connects and subscribes again on the next call
                if item is None:
                    continue
                event = commands.parse_event(item["channel"], item["data"])
                if event is not None:
                    yield event

    def _execute(self, command: commands.RedisCommand) -> Any:
        return self.redis.execute_command(*command)

    def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        if self._owns_redis:
            self.redis.close()

    def __enter__(self) -> Connector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
