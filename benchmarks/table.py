"""Results as Markdown: a table for each scenario and number of clients, with the peers as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers import PEERS
from benchmarks.results import Results, Run, median, total

NOT_MEASURED = "–"
FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ``title`` names the unit."""

    figure: str
    title: str
    digits: int = 0
    summed: bool = False
    """Show the sum of the repetitions instead of their median."""


@dataclass(frozen=True, slots=True)
class Layout:
    title: str
    """May hold ``{clients}``."""
    rows: Sequence[Row]
    headline: str
    """The figure that the benchmark prints after each run."""


def render(results: Results, layouts: Mapping[str, Layout]) -> str:
    """Render the whole report in Markdown, with date, machine and versions."""
    parts = [_table(name, layout, results.runs) for name, layout in layouts.items()]
    return "\n\n".join([*(part for part in parts if part), _footer(results)]) + "\n"


def _table(scenario: str, layout: Layout, runs: Sequence[Run]) -> str:
    runs = [run for run in runs if run.scenario == scenario]
    sizes = sorted({run.clients for run in runs})
    return "\n\n".join(
        _one_size(layout, size, [run for run in runs if run.clients == size]) for size in sizes
    )


def _one_size(layout: Layout, clients: int, runs: Sequence[Run]) -> str:
    names = [name for name in PEERS if any(run.peer == name for run in runs)]
    by_peer = {name: [run for run in runs if run.peer == name] for name in names}
    repetitions = max(len(group) for group in by_peer.values())
    title = layout.title.format(clients=f"{clients:,}")
    lines = [
        f"**{title}**" + (f" (medians of {repetitions} interleaved runs)" if repetitions > 1 else ""),
        "",
        "| | " + " | ".join(PEERS[name].title for name in names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for row in layout.rows:
        cells = [_cell(row, by_peer[name]) for name in names]
        if any(cell != NOT_MEASURED for cell in cells):
            lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row, runs: Sequence[Run]) -> str:
    measured, value = (total if row.summed else median)(runs, row.figure)
    if not measured:
        return FAILS if all(run.error for run in runs) else NOT_MEASURED
    return FAILS if value is None else f"{value:,.{row.digits}f}"


def _footer(results: Results) -> str:
    lines = [f"{results.date}. {results.machine}.", *results.remarks]
    lines += [f"{PEERS[name].title}: {version}." for name, version in results.versions.items()]
    lines += [f"Left out: {PEERS[name].title}. {reason}" for name, reason in results.left_out.items()]
    lines += [
        f"Failed: {PEERS[run.peer].title}, {run.scenario}, {run.clients:,} clients: {run.error}"
        for run in results.runs
        if run.error
    ]
    return "\n".join(f"- {line}" for line in lines)
