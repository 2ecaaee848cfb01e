"""Servers of one test, which end with it."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.broker.servers import RedisServer


class StartRedis(Protocol):
    """Start Valkeys that the test may kill, each on a free port or on the given port."""

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
    """Start a plain Valkey that the test may kill."""
    return start_redis()
