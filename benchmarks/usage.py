"""What a process and its descendants have used, read from the kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

SETTLED = 0.03
"""A process that uses less than this share of a core has done what it had to do."""

SETTLE_STEP_S = 0.25


def cpu_s(pid: int) -> float:
    """CPU seconds of the living process tree, ended threads included, to the nanosecond."""
    return sum(_process_cpu_s(one) for one in _tree(pid))


def memory_kib(pid: int) -> int:
    """Memory of the process tree that is in no file: what it wrote. A page shared by two counts half in each.

    A program's own files are left out: how much of them counts as this process's depends on who else runs
    the same interpreter, and that changes from one second to the next by more than 1,000 connections weigh.
    """
    total = 0
    for one in _tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total


def wait_until_settled(pid: int, deadline_s: float = 15.0) -> None:
    """Return when the process tree has nothing more to do, or at the deadline."""
    until = time.monotonic() + deadline_s
    before = cpu_s(pid)
    while time.monotonic() < until:
        time.sleep(SETTLE_STEP_S)
        now = cpu_s(pid)
        if now - before < SETTLED * SETTLE_STEP_S:
            return
        before = now


def _process_cpu_s(pid: int) -> float:
    # The kernel's id for the CPU clock of another process: see clock_getcpuclockid(3).
    clock = (~pid << 3) | 2
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in _listed(Path(f"/proc/{pid}/task")):
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _tree(int(child))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
