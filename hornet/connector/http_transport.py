"""The transport of the synchronous connector through the HTTP API."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from redis import Redis

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


class HttpTransport:
    """Sends the requests of calls to the API. Each thread keeps a connection of its own."""

    def __init__(self, address: ApiAddress) -> None:
        self._address = address
        self._thread = threading.local()
        self._open: set[http.client.HTTPConnection] = set()

    @property
    def redis(self) -> Redis:
        """Raise ``RedisRequired``: there is no client."""
        raise RedisRequired("commands of your own")

    def run(self, call: ConnectorCall[T]) -> T:
        """Carry out a call.

        Raises:
            ApiError: Hornet refused the request.
            ApiUnavailable: Hornet was not reached, or did not answer.
        """
        return call.read_response(self._call_api(call.request()))

    def subscribe(self, names: str | Iterable[str]) -> Iterator[Event]:
        """Raise ``RedisRequired``: the API publishes no events."""
        raise RedisRequired("events of clients")

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._open:
            self._open.pop().close()

    def _call_api(self, request: ApiRequest) -> dict[str, Any]:
        try:
            return parse_answer(*self._send(request))
        except (http.client.HTTPException, OSError) as error:
            raise ApiUnavailable(f"{self._address.base}: {error or type(error).__name__}") from error

    def _send(self, request: ApiRequest) -> tuple[int, bytes]:
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

    def _exchange(self, connection: http.client.HTTPConnection, request: ApiRequest) -> tuple[int, bytes]:
        headers = {**self._address.headers, **request.headers}
        connection.request(request.method, self._address.prefix + request.path, request.body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return this thread's connection, and whether it is a new one."""
        connection: http.client.HTTPConnection | None = getattr(self._thread, "connection", None)
        if connection is not None and connection in self._open:
            return connection, False
        kind = http.client.HTTPSConnection if self._address.is_secure else http.client.HTTPConnection
        connection = kind(self._address.host, self._address.port, timeout=TIMEOUT_S)
        self._thread.connection = connection
        self._open.add(connection)
        return connection, True

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._open.discard(connection)
