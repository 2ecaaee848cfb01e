"""The connector over HTTP, for backends with threads or processes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hornet.connector import commands
from hornet.connector import http as api
from hornet.connector.sync import Connector
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH, DEFAULT_TOKEN_TTL_S


class HttpConnector(Connector):
    """What :class:`Connector` is when its URL is one of HTTP. Each thread keeps a connection of its own."""

    def __init__(
        self,
        redis: Any,
        *,
        ttl: int = DEFAULT_TOKEN_TTL_S,
        token_length: int = DEFAULT_TOKEN_LENGTH,
        key: str | None = None,
    ) -> None:
        self._address = api.parse_address(redis, key, token_length)
        self._mine = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
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
        grant = commands.make_grant(channels, user, info, publish)
        answer = self._call_api(api.token_request(grant, self.ttl if ttl is None else ttl))
        return str(answer["token"])

    def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        return api.heard(self._call_api(api.publish_request(channels, type, message, options or {})))

    def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        return int(self._call_api(api.disconnect_request(tokens))["nodes"])

    def notify(self, users: api.User | Iterable[api.User], event: str, payload: Any = None) -> int:
        return int((self._call_api(api.notify_request(users, event, payload)))["nodes"])

    def subscribe_user(self, user: api.User, channels: str | Iterable[str]) -> int:
        return int((self._call_api(api.subscribe_request(user, channels)))["changed"])

    def unsubscribe_user(self, user: api.User, channels: str | Iterable[str] | None = None) -> int:
        return int((self._call_api(api.unsubscribe_request(user, channels)))["changed"])

    def user_channels(self, user: api.User) -> list[str]:
        return list((self._call_api(api.user_request(user)))["channels"])

    def is_online(self, user: api.User) -> bool:
        return bool((self._call_api(api.user_request(user)))["online"])

    def disconnect_user(self, users: api.User | Iterable[api.User]) -> int:
        return int((self._call_api(api.disconnect_user_request(users)))["nodes"])

    def subscribe(self, events: str | Iterable[str] = commands.CLASSIC_EVENTS) -> Iterator[commands.Event]:
        raise NotImplementedError(api.NO_EVENTS)

    def _execute(self, command: commands.RedisCommand) -> Any:
        raise NotImplementedError(api.NO_USERS)

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._open:
            self._open.pop().close()

    def _call_api(self, request: api.ApiRequest) -> dict[str, Any]:
        """Raises:
        ApiError: Hornet refused the request.
        ApiUnavailable: it was not reached, or did not answer.
        """
        try:
            return api.parse_answer(*self._send(request))
        except (http.client.HTTPException, OSError) as error:
            raise api.ApiUnavailable(f"{self._address.base}: {error or type(error).__name__}") from error

    def _send(self, request: api.ApiRequest) -> tuple[int, bytes]:
        connection, is_fresh = self._connection()
        try:
            return self._exchange(connection, request)
        except (http.client.HTTPException, OSError):
            self._drop(connection)
            if is_fresh:
                raise
        # Hornet closed the connection while it was idle. The request may be sent again: see ApiRequest.
        connection, _ = self._connection()
        try:
            return self._exchange(connection, request)
        except (http.client.HTTPException, OSError):
            self._drop(connection)
            raise

    def _exchange(self, connection: http.client.HTTPConnection, request: api.ApiRequest) -> tuple[int, bytes]:
        headers = {**self._address.headers, **request.headers}
        connection.request(request.method, self._address.prefix + request.path, request.body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """This thread's connection, and whether it is a new one."""
        connection: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if connection is not None and connection in self._open:
            return connection, False
        kind = http.client.HTTPSConnection if self._address.is_secure else http.client.HTTPConnection
        connection = kind(self._address.host, self._address.port, timeout=api.TIMEOUT_S)
        self._mine.connection = connection
        self._open.add(connection)
        return connection, True

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._open.discard(connection)
