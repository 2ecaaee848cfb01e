"""A Redis that can't be used is reported in one sentence, in time, and without its password."""

import asyncio
import socket
from pathlib import Path

import pytest

from hornet.broker.client import check_reachable
from hornet.broker.url import parse_url
from hornet.core.errors import SetupError
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, SentinelServer
from tests.broker.test_client import SERVICE, tls
from tests.conftest import Valkey
from tests.e2e.server import free_port


async def unreachable(url: str, timeout_s: float = 1.0) -> str:
    """The one sentence about a Redis that can't be used."""
    with pytest.raises(SetupError) as raised:
        await check_reachable(parse_url(url), timeout_s)
    said = str(raised.value)
    assert said.startswith(f"Redis at {parse_url(url)} can't be used: ")
    assert said.endswith(".")
    assert "\n" not in said
    assert "secret" not in said
    return said


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
async def test_a_port_without_a_listener_is_one_sentence(scheme: str) -> None:
    port = free_port()
    assert str(port) in await unreachable(f"{scheme}://:secret@127.0.0.1:{port}")


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
async def test_a_redis_that_never_answers_is_one_sentence_in_time(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(4.5):  # the default timeout would take 5 s
            await unreachable(f"{scheme}://:secret@127.0.0.1:{silent.getsockname()[1]}", 0.2)


async def test_a_host_that_does_not_exist_is_one_sentence() -> None:
    assert "no-such-host" in await unreachable("redis://no-such-host.invalid")


async def test_a_socket_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    assert "no.sock" in await unreachable(f"unix://:secret@{tmp_path}/no.sock")


@pytest.mark.parametrize("login", [":secret@", "app:secret@", ""])
async def test_a_refused_login_is_one_sentence(start_redis: StartRedis, login: str) -> None:
    server = start_redis("--requirepass", "another")
    for scheme in ("redis", "redis+cluster"):
        assert "refuses the login" in await unreachable(f"{scheme}://{login}127.0.0.1:{server.port}")


async def test_tls_with_an_untrusted_certificate_is_one_sentence(start_redis: StartRedis) -> None:
    async with tls(start_redis) as text:
        assert "certificate" in await unreachable(text.partition("?")[0])


async def test_tls_to_a_server_without_is_one_sentence(valkey: Valkey) -> None:
    await unreachable(f"rediss://127.0.0.1:{valkey.port}")


async def test_a_cluster_url_for_a_server_alone_is_one_sentence(valkey: Valkey) -> None:
    assert "cluster" in (await unreachable(f"redis+cluster://127.0.0.1:{valkey.port}")).lower()


async def test_a_service_that_sentinel_does_not_know_is_one_sentence(own_redis: RedisServer) -> None:
    sentinel = SentinelServer(own_redis, SERVICE)
    try:
        assert "other-service" in await unreachable(
            f"redis+sentinel://127.0.0.1:{sentinel.port}/0/other-service"
        )
    finally:
        sentinel.remove()


async def test_a_program_that_speaks_no_redis_is_one_sentence() -> None:
    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak_http, "127.0.0.1", 0) as server:
        await unreachable(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
