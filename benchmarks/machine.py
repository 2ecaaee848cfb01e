"""The machine: which cores run which process, and the line below a table that describes the machine."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server under test; the load generator, Valkey and the publisher share the rest."""

    server: frozenset[int]
    load: frozenset[int]

    @property
    def shared(self) -> bool:
        return self.server == self.load


def split_cores() -> Cores:
    """Give the server a core to itself. Leave that core's hyperthread idle if there are enough cores."""
    allowed = sorted(os.sched_getaffinity(0))
    first, others = allowed[0], frozenset(allowed[1:])
    if not others:
        return Cores(frozenset(allowed), frozenset(allowed))
    return Cores(frozenset({first}), others - _siblings(first) or others)


def _siblings(cpu: int) -> frozenset[int]:
    try:
        text = (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return frozenset()
    siblings: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        siblings.update(range(int(low), int(high or low) + 1))
    return frozenset(siblings)


def check_platform() -> None:
    """Check that this is Linux: the benchmarks use its epoll and /proc.

    Raises:
        BenchmarkError: this is another system.
    """
    if platform.system() != "Linux":
        raise BenchmarkError("The benchmarks need Linux: they use its epoll and /proc.")


def raise_open_files() -> None:
    """Raise this process's limit of open files as far as possible. Child processes inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def describe() -> str:
    """Return the CPU, the number of cores, the system and the kernel, in one line."""
    count = len(os.sched_getaffinity(0))
    cores = "1 core" if count == 1 else f"{count} cores"
    return f"{cores}, {_cpu_model()}; {_system()}, Linux {platform.release().split('-')[0]}"


def _cpu_model() -> str:
    for line in _lines("/proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _system() -> str:
    for line in _lines("/etc/os-release"):
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
