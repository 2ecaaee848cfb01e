"""Processes of the benchmarks run on their cores, and end with the benchmark."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.errors import RunFailed
from benchmarks.processes import free_port, running, wait_for_port

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 20.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks need Linux")

STARTER = """
import os, subprocess, sys
from benchmarks.processes import running
with running([sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"],
             os.sched_getaffinity(0), stdout=subprocess.PIPE) as child:
    child.stdout.readline()
    print(child.pid, flush=True)
    input()
"""


def test_a_process_keeps_to_its_cores_and_its_arguments() -> None:
    core = min(os.sched_getaffinity(0))
    code = "import os, sys; print(sorted(os.sched_getaffinity(0)), sys.argv[1:])"
    with running([sys.executable, "-c", code, "a b", ""], {core}, stdout=subprocess.PIPE) as process:
        said = process.communicate(timeout=DEADLINE_S)[0].decode()
    assert said.strip() == f"[{core}] ['a b', '']"


def test_a_process_is_gone_after_its_block() -> None:
    with running([sys.executable, "-c", "import time; time.sleep(60)"], os.sched_getaffinity(0)) as process:
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL


def test_a_process_dies_with_a_benchmark_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        child = os.pidfd_open(int(starter.stdout.readline()))
        starter.kill()
        starter.wait()
    wait_for_end(child)


def wait_for_end(pidfd: int) -> None:
    """Return when the process is gone; fail if it is not in time."""
    ended, _, _ = select.select([pidfd], [], [], DEADLINE_S)
    os.close(pidfd)
    assert ended


def test_a_server_that_ends_at_once_is_not_waited_for() -> None:
    with running(["/nowhere/server"], os.sched_getaffinity(0), stderr=subprocess.PIPE) as process:
        with pytest.raises(RunFailed, match="ended with 127"):
            wait_for_port(free_port(), process)
        assert process.stderr is not None
        assert b"/nowhere/server can't be started: No such file" in process.stderr.read()
