"""The notifications to systemd."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hornet.process.systemd import READY, Notifier
from tests.e2e.waiting import DEADLINE_S


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(DEADLINE_S)
        yield bound


def test_states_arrive_as_lines_of_one_datagram(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.tell(READY, "STATUS=fine")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=fine"
    notifier.tell_reloading()
    first, second = systemd.recv(1000).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("")  # the kernel chooses an abstract name
        bound.settimeout(DEADLINE_S)
        name = bound.getsockname().decode()
        Notifier({"NOTIFY_SOCKET": "@" + name[1:]}).tell(READY)
        assert bound.recv(1000) == b"READY=1"


def test_a_notification_without_a_systemd_socket_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({}).tell(READY)
    assert not caplog.records
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)
    assert len(caplog.records) == 1


async def test_the_watchdog_hears_of_a_loop_that_turns(systemd: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": systemd.getsockname(),
        "WATCHDOG_USEC": "20000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    task = asyncio.create_task(Notifier(environment).keep_watchdog())
    for _ in range(3):
        assert await asyncio.to_thread(systemd.recv, 1000) == b"WATCHDOG=1"
    task.cancel()


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}])
async def test_without_a_watchdog_nothing_keeps_turning(
    systemd: socket.socket, environment: dict[str, str]
) -> None:
    await Notifier({"NOTIFY_SOCKET": systemd.getsockname(), **environment}).keep_watchdog()
