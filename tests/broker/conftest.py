"""Servers of a test's own, gone after it."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.broker.servers import RedisServer


class StartRedis(Protocol):
    """Starts a Valkey that the test may kill, on a free port unless it names one."""

    def __call__(self, *options: str, port: int | None = ...) -> RedisServer: ...


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    started: list[RedisServer] = []

    def start(*options: str, port: int | None = None) -> RedisServer:
        server = RedisServer(*options, port=port)
        started.append(server)
        return server

    yield start
    for server in started:
        server.remove()


@pytest.fixture
def own_redis(start_redis: StartRedis) -> RedisServer:
    """A plain Valkey that the test may kill."""
    return start_redis()
