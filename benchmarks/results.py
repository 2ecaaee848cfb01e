"""The results: figures by name, for each scenario, peer, number of clients and repetition."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError

Figure = float | None
"""None where the server could not keep up; the table says "fails"."""


@dataclass(frozen=True, slots=True)
class Run:
    """One peer in one scenario, once. When the run failed, ``error`` says why, and there are no figures."""

    scenario: str
    peer: str
    clients: int
    repetition: int
    figures: dict[str, Figure] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)
    """The reports of the load generator, which say more than the table."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """One benchmark: the date, the machine, the versions, and every run."""

    date: str
    machine: str
    remarks: list[str]
    versions: dict[str, str]
    left_out: dict[str, str]
    runs: list[Run]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def load_results(path: Path) -> Results:
    """Read a file that :meth:`Results.save` wrote.

    Raises:
        BenchmarkError: the file can't be read, or holds something else.
    """
    try:
        fields = json.loads(path.read_text())
        return Results(**{**fields, "runs": [Run(**run) for run in fields["runs"]]})
    except OSError as error:
        raise BenchmarkError(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError):
        raise BenchmarkError(f"{path} was not written by --json.") from None


def median(runs: Iterable[Run], name: str) -> tuple[bool, Figure]:
    """Return whether the figure was measured at all, and its median: None when most repetitions failed."""
    values = [run.figures[name] for run in runs if name in run.figures]
    reached: Sequence[float] = [value for value in values if value is not None]
    if not values or 2 * len(reached) <= len(values):
        return bool(values), None
    return True, statistics.median(reached)


def total(runs: Iterable[Run], name: str) -> tuple[bool, Figure]:
    """Return whether the figure was measured at all, and its sum: one loss in three runs is one too many."""
    values = [run.figures[name] for run in runs if name in run.figures]
    return bool(values), sum(value or 0 for value in values)
