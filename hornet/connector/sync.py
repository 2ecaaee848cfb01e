"""The connector for backends with threads or processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, Self, TypeVar

from redis import Redis

from hornet.broker.user_commands import User
from hornet.connector import calls
from hornet.connector.api import is_http, parse_address
from hornet.connector.calls import ConnectorCall
from hornet.connector.commands import DEFAULT_URL
from hornet.connector.events import CLASSIC_EVENTS, Event
from hornet.connector.http_transport import HttpTransport
from hornet.connector.redis_transport import RedisTransport
from hornet.core.message_limit import DEFAULT_MAX_MESSAGE_BYTES, MessageLimit
from hornet.core.past import DEFAULT_LIMIT
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S

T = TypeVar("T")


class SyncTransport(Protocol):
    """How a connector reaches Hornet: through Redis, or over HTTP."""

    @property
    def redis(self) -> Redis:
        """The redis-py client; raises ``RedisRequired`` where there is none."""

    def run(self, call: ConnectorCall[T]) -> T:
        """Carry out one call and return its result."""

    def subscribe(self, names: str | Iterable[str]) -> Iterator[Event]:
        """Yield events without end; raise ``RedisRequired`` where there are none."""

    def close(self) -> None:
        """Close the connections."""


def open_transport(redis: str | Redis, *, key: str | None, token_length: int, record: bool) -> SyncTransport:
    """Return the transport for a URL or client; it connects on first use.

    Raises:
        ValueError: an invalid URL or key, or a key, token length or ``record`` that has no meaning there.
    """
    if is_http(redis) and not record:
        raise ValueError("Hornet's HTTP API records all messages")
    if is_http(redis):
        return HttpTransport(parse_address(redis, key=key, token_length=token_length))
    if key is not None:
        raise ValueError("a key is for the URL of an HTTP API")
    return RedisTransport(redis, record=record)


class Connector:
    """Tokens, messages and users for a backend, straight through Redis. Safe to share between threads.

    With an ``http://`` or ``https://`` URL and a ``key``, the connector uses Hornet's HTTP API instead. All
    calls are the same, but ``subscribe`` and ``redis`` raise ``RedisRequired``, and Hornet chooses the length
    of tokens.

    ``redis`` is a URL or a ready client (for Sentinel, TLS options, or a pool of your own). ``ttl`` is how
    many seconds an unused token lives. A message longer than ``max_message_bytes``, as JSON text, is refused
    with ``MessageTooLarge``, a ``ValueError``; keep it as the server's ``--max-message``.

    Redis keeps messages for a while, for clients that lost their connection and come back. With
    ``record=False`` they are gone once they are published, which costs Redis less.

    Messages, payloads and infos hold what JSON has, and dates and times (sent as ISO 8601 text), UUIDs (text)
    and Decimals (numbers). Any other type is a ``ValueError``.

    Failures of Redis come as redis-py's own exceptions, failures over HTTP as ``ApiError`` (the request was
    refused) and ``ApiUnavailable``.
    """

    def __init__(
        self,
        redis: str | Redis = DEFAULT_URL,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        record: bool = True,
    ) -> None:
        self._transport = open_transport(redis, key=key, token_length=token_length, record=record)
        self.ttl = ttl
        self.token_length = token_length
        self._limit = MessageLimit(max_message_bytes)

    @property
    def redis(self) -> Redis:
        """The redis-py client, for commands of your own.

        Raises:
            RedisRequired: the connector goes over HTTP.
        """
        return self._transport.redis

    def create_access_token(
        self,
        channels: str | Iterable[str] = (),
        *,
        ttl: int | None = None,
        user: User | None = None,
        info: Any = None,
        publish: str | Iterable[str] = (),
    ) -> str:
        """Make a one-time token that lets one client into ``channels`` within ``ttl`` seconds.

        ``user`` is the id of the client's user, ``info`` any JSON that other clients may see about it, and
        ``publish`` the channels on which the client may publish (``*`` in a name stands for any run of
        characters). In ``channels`` each name is one channel, or the text of a pattern. A token with a user
        may have no channel.

        Raises:
            ValueError: neither channel nor user, an invalid name, the reserved channel ``hornet``, a channel
                with ``*``, or a ``ttl`` below 1.
        """
        call = calls.create_access_token(
            channels,
            ttl_s=self.ttl if ttl is None else ttl,
            token_length=self.token_length,
            user=user,
            info=info,
            publish=publish,
        )
        return self._transport.run(call)

    def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish on one or several channels; ``options`` may hold ``only`` and ``except``.

        Returns how many nodes received it, summed over the channels: 0 means that no client is there.

        Raises:
            ValueError: a malformed channel, message or option, or the reserved channel ``hornet``; nothing
                was published.
            InvalidPublish: ``only`` or ``except`` is neither a token nor a list of tokens.
        """
        return self._transport.run(calls.publish(channels, type, message, options or {}, self._limit))

    def publish_to_pattern(self, pattern: Mapping[str, Any], payload: Any) -> int:
        """Publish ``payload``, any JSON, for the clients that subscribed to such keys and values.

        ``pattern`` is a mapping such as ``{"kind": "news", "channel": "CNN"}``; its order does not matter.
        Returns how many nodes received it; the patterns of one node may count several times.

        Raises:
            ValueError: a malformed pattern, or a payload that JSON can't carry; nothing was published.
        """
        return self._transport.run(calls.publish_to_pattern(pattern, payload, self._limit))

    def history(
        self,
        channel: str,
        limit: int = DEFAULT_LIMIT,
        since: str | None = None,
        before: str | None = None,
        newest_first: bool = False,
    ) -> dict[str, Any]:
        """Read what was published on a channel, as far as Redis keeps it.

        Returns the fields of the API's answer: ``channel``, ``messages`` (each with ``position`` and
        ``message``), ``position``, ``whole`` and ``more``. ``since`` and ``before`` are positions.

        Raises:
            ValueError: an invalid channel, the reserved one, a limit beyond 1 to 1000, or no position.
        """
        call = calls.history(channel, limit=limit, since=since, before=before, newest_first=newest_first)
        return self._transport.run(call)

    def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        """End the sessions of ``tokens`` and delete unused ones. Returns how many nodes received it.

        Clients that are disconnected in this way don't connect again by themselves.
        """
        return self._transport.run(calls.disconnect_tokens(tokens))

    def set_user_session(self, user: User, session_id: str, ttl: int | None = None) -> None:
        """Register ``session_id`` as proof to be ``user``, for ``ttl`` seconds or until it is removed.

        A user has one: it replaces the one registered before. Choose an id that can't be guessed, such as
        that of the user's session in your own application.

        Raises:
            ValueError: an invalid user id or session id, or a ``ttl`` below 1.
        """
        self._transport.run(calls.set_user_session(user, session_id, ttl))

    def remove_user_session(self, user: User) -> bool:
        """Remove the user's session id; True if there was one. Clients that came in with it stay."""
        return self._transport.run(calls.remove_user_session(user))

    def notify(self, users: User | Iterable[User], event: str, payload: Any = None) -> int:
        """Emit ``event`` with ``payload`` to every session of one or several users, on every node.

        Returns how many nodes received it, summed over the users: 0 means that none of them is there.

        Raises:
            ValueError: no user, a reserved event, or a payload that JSON can't carry; no user was notified.
        """
        return self._transport.run(calls.notify(users, event, payload, self._limit))

    def subscribe_user(self, user: User, channels: str | Iterable[str]) -> int:
        """Subscribe all sessions of ``user``, present and future; return how many channels are new.

        Raises:
            ValueError: an invalid user id, an invalid channel, or the reserved one.
        """
        return self._transport.run(calls.subscribe_user(user, channels))

    def unsubscribe_user(self, user: User, channels: str | Iterable[str] | None = None) -> int:
        """Unsubscribe the user, by default from all channels; return from how many.

        It undoes :meth:`subscribe_user`. Channels that a client subscribed to by itself are not touched.
        """
        if channels is None:
            return self._transport.run(calls.unsubscribe_user_from_all(user))
        return self._transport.run(calls.unsubscribe_user(user, channels))

    def user_channels(self, user: User) -> list[str]:
        """Return the channels to which ``user`` was subscribed by :meth:`subscribe_user`, sorted."""
        return self._transport.run(calls.user_channels(user))

    def is_online(self, user: User) -> bool:
        """Return True if ``user`` has a session, or had one within the grace period."""
        return self._transport.run(calls.is_online(user))

    def disconnect_user(self, users: User | Iterable[User]) -> int:
        """End the sessions of one or several users. Returns how many nodes received it, summed.

        Clients that are disconnected in this way don't connect again by themselves.
        """
        return self._transport.run(calls.disconnect_user(users))

    def subscribe(self, events: str | Iterable[str] = CLASSIC_EVENTS) -> Iterator[Event]:
        """Yield ("connect" or "disconnect", ``{"token", "channel"}``) as clients come and go.

        ``events`` may name others: ``user:online``, ``user:session``, ``user:gone``, ``session:opened`` and
        ``session:closed``; and, where the node publishes them, ``user:authenticated`` and ``client:<event>``.

        The subscription starts with the first step of the iteration, which raises when Redis is not there.
        A connection that is lost later is replaced, however long that takes, and so is one that has become
        deaf, within 10 seconds; events in between are missed.
        Messages that are not events of Hornet are skipped. Both are logged as warnings.

        Raises:
            RedisRequired: the connector goes over HTTP.
        """
        return self._transport.subscribe(events)

    def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
