"""CPU time and memory of a process and its descendants, read from the kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

SETTLED = 0.03
"""A process tree that uses less than this share of a core is idle."""

SETTLE_STEP_S = 0.25


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of the living process tree, ended threads included, to the nanosecond."""
    return sum(_process_cpu_s(process) for process in _tree(pid))


def memory_kib(pid: int) -> int:
    """Return the memory of the process tree that no file holds.

    A page that two processes share counts half in each. Pages of files are left out: the kernel divides them
    among all processes that run the same interpreter, and that share changes from one second to the next by
    more than 1,000 connections need.
    """
    total = 0
    for process in _tree(pid):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total


def wait_until_settled(pid: int, deadline_s: float = 15.0) -> None:
    """Wait until the process tree is idle, or until the deadline."""
    until = time.monotonic() + deadline_s
    before = cpu_s(pid)
    while time.monotonic() < until:
        time.sleep(SETTLE_STEP_S)
        now = cpu_s(pid)
        if now - before < SETTLED * SETTLE_STEP_S:
            return
        before = now


def _process_cpu_s(pid: int) -> float:
    # The id of the CPU clock of another process in Linux: see clock_getcpuclockid(3).
    clock = (~pid << 3) | 2
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in _entries(Path(f"/proc/{pid}/task")):
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _tree(int(child))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
