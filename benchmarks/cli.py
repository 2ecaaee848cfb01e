"""The command line of the benchmarks: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.install.cache import Cache
from benchmarks.peers import PEERS, choose
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.results import Results, load_results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.suite import measure
from benchmarks.table import render

CACHE = Path(__file__).resolve().parent.parent / ".benchmarks"
EXIT_FAILED = 1
EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the tables. Return the exit code: 1 if Hornet failed in a run or lost a message."""
    chosen = _parser().parse_args(argv)
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        if chosen.show:
            results = load_results(chosen.show)
        else:
            scenarios = choose_scenarios(chosen.scenarios)
            results = measure(
                scenarios, choose(chosen.peers), make_plan(chosen), Cache(chosen.cache, tell), tell
            )
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    table = render(results, {name: scenario.layout for name, scenario in SCENARIOS.items()})
    print(table, end="")
    if chosen.json:
        results.save(chosen.json)
    if chosen.table:
        chosen.table.write_text(table)
    return EXIT_FAILED if _went_wrong(results) else 0


def make_plan(chosen: argparse.Namespace) -> Plan:
    """Return the plan that the options describe."""
    plan = QUICK if chosen.quick else FULL
    if chosen.clients:
        plan = dataclasses.replace(plan, sizes=chosen.clients, storm_sizes=chosen.clients)
    if chosen.runs:
        plan = dataclasses.replace(plan, repetitions=chosen.runs)
    return plan


def choose_scenarios(names: str) -> list[Scenario]:
    """Return the scenarios of a comma-separated list, or all for ``all``, in the order of the tables.

    Raises:
        BenchmarkError: no scenario has that name.
    """
    chosen = list(SCENARIOS) if names == "all" else [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in SCENARIOS:
            raise BenchmarkError(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}.")
    return [SCENARIOS[name] for name in SCENARIOS if name in chosen]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run Hornet and its peers under the same load, one after the other, and print the table. "
        "docs/topics/performance.md says how to read it.",
    )
    parser.add_argument(
        "-n",
        dest="clients",
        type=_sizes,
        metavar="N[,N]",
        help="numbers of clients (default: 1000; in storm 5000)",
    )
    parser.add_argument("--peers", metavar="NAMES", help=f"some of {','.join(PEERS)} (default: all)")
    parser.add_argument(
        "--scenarios",
        default="fan-out",
        metavar="NAMES",
        help=f"all, or some of {','.join(SCENARIOS)} (default: fan-out)",
    )
    parser.add_argument("--runs", type=_positive, metavar="N", help="interleaved repetitions (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="only show that it works, in seconds; its figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the tables there too")
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="measure nothing: print the tables of a --json file"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        metavar="FOLDER",
        help="where peers are installed (default: .benchmarks)",
    )
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _went_wrong(results: Results) -> bool:
    return any(
        run.error or run.figures.get("lost") or run.figures.get("strangers")
        for run in results.runs
        if PEERS[run.peer].hornet
    )
