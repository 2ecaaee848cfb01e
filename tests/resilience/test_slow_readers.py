"""Clients that ask for much and read nothing: answers wait for them for a limited time, too."""

import socket
import sys
from contextlib import ExitStack

import pytest

from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, heard_until_end

CLIENTS = 20
ASKED = b"GET /hornet/hornet.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")


async def test_a_client_that_reads_none_of_its_answers_is_cut(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url, "--send-timeout", "1")
    honest = await watched.connect(await watched.token())

    async def files() -> float:
        return await watched.metric("process_open_fds")

    before = await files()

    async def are_there() -> bool:
        return await files() >= before + CLIENTS

    with ExitStack() as stack:
        for _ in range(CLIENTS):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", watched.server.port))
            slow.sendall(ASKED)
        await eventually(are_there, True)
        await eventually(files, before)
    await watched.publish(END)
    assert await heard_until_end(honest) == []
    assert " ERROR " not in watched.server.output
