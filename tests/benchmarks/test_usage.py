"""CPU time and memory are those of the whole process tree."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.usage import cpu_s, memory_kib

WORK = "sum(range(3_000_000))"
IN_THREAD = f"""
import threading
worker = threading.Thread(target=lambda: {WORK})
worker.start(); worker.join()
print("done", flush=True); input()
"""
IN_CHILD = f"""
import subprocess, sys
code = "held = bytearray(b'x') * 30_000_000; {WORK}; print('done', flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", code])
child.wait()
"""


@contextmanager
def running(code: str) -> Iterator[int]:
    """The process id of a program that has said "done"."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        yield process.pid
        process.communicate(b"\n")


def test_the_time_of_ended_threads_counts() -> None:
    with running(IN_THREAD) as with_thread, running("print('done', flush=True); input()") as idle:
        assert cpu_s(with_thread) > cpu_s(idle) * 1.5


def test_children_count() -> None:
    with running(IN_CHILD) as pid:
        assert memory_kib(pid) > 30_000
        assert cpu_s(pid) > 0


def test_a_process_that_is_gone_has_used_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert cpu_s(process.pid) == memory_kib(process.pid) == 0
