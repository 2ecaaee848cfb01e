"""The order of a benchmark: install the peers, then measure each scenario, with the peers interleaved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.environment import running_environment
from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.install.cache import Cache
from benchmarks.install.compiled import load_generator
from benchmarks.peers import Peer, Program
from benchmarks.plan import Plan
from benchmarks.results import Results, Run
from benchmarks.scenarios import Scenario
from benchmarks.valkey import valkey

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    scenario: Scenario
    clients: int
    peer: Peer
    repetition: int


def measure(
    scenarios: Sequence[Scenario], peers: Sequence[Peer], plan: Plan, cache: Cache, tell: Tell
) -> Results:
    """Install the peers that are missing, and measure everything.

    Raises:
        BenchmarkError: nothing can be measured at all. A single failed run is part of the results.
    """
    machine.check_platform()
    machine.raise_open_files()
    cores = machine.split_cores()
    load = load_generator(cache)
    peers = [peer for peer in peers if any(_fits(scenario, peer) for scenario in scenarios)]
    programs, left_out = _install(peers, cache, tell)
    if not programs:
        raise BenchmarkError("No peer can be run here.")
    results = Results(
        date=datetime.now(UTC).date().isoformat(),
        machine=machine.describe(),
        remarks=_remarks(cores),
        versions={name: program.version for name, program in programs.items()},
        left_out=left_out,
        runs=[],
    )
    jobs = list(_jobs(scenarios, [peer for peer in peers if peer.name in programs], plan))
    with _pinned_to(cores.load):
        for number, job in enumerate(jobs, 1):
            started = time.monotonic()
            run = _run_job(job, programs[job.peer.name], plan, load, cores)
            results.runs.append(run)
            took = f"{time.monotonic() - started:.0f} s"
            tell(f"{number}/{len(jobs)} {_label(job)}: {run.error or _headline(run, job.scenario)} ({took})")
    return results


@contextmanager
def _pinned_to(cores: Collection[int]) -> Iterator[None]:
    """Run this process on ``cores`` for the length of the block, away from the core of the server."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _install(peers: Sequence[Peer], cache: Cache, tell: Tell) -> tuple[dict[str, Program], dict[str, str]]:
    programs: dict[str, Program] = {}
    left_out: dict[str, str] = {}
    for peer in peers:
        try:
            programs[peer.name] = peer.install(cache)
        except Unavailable as error:
            left_out[peer.name] = str(error)
            tell(f"{peer.title} is left out: {error}")
    return programs, left_out


def _jobs(scenarios: Sequence[Scenario], peers: Sequence[Peer], plan: Plan) -> Iterator[Job]:
    """List the jobs. Each peer runs once before any runs again: a change of the machine affects all alike."""
    for scenario in scenarios:
        fitting = [peer for peer in peers if _fits(scenario, peer)]
        for repetition in range(1 if scenario.once else plan.repetitions):
            for size in scenario.sizes(plan):
                for peer in fitting:
                    yield Job(scenario, size, peer, repetition)


def _fits(scenario: Scenario, peer: Peer) -> bool:
    return scenario.fits(peer) and peer.only_scenario in ("", scenario.name)


def _run_job(job: Job, program: Program, plan: Plan, load: Path, cores: machine.Cores) -> Run:
    facts = (job.scenario.name, job.peer.name, job.clients, job.repetition)
    try:
        with (
            valkey(cores.load) as redis_port,
            running_environment(job.peer, program, redis_port, load, cores) as environment,
        ):
            figures = job.scenario.run(environment, job.clients, plan, job.repetition)
            return Run(*facts, figures=figures, reports=environment.reports)
    except BenchmarkError as error:
        return Run(*facts, error=str(error))


def _remarks(cores: machine.Cores) -> list[str]:
    if cores.shared:
        return [
            "The server shares its only core with the load: figures of different machines can't be compared."
        ]
    return ["The server has one core to itself; load generator, publisher and Valkey have the others."]


def _label(job: Job) -> str:
    return f"{job.scenario.name}, {job.clients:,}, {job.peer.title}"


def _headline(run: Run, scenario: Scenario) -> str:
    """Return the figure of this run that stands for all of its figures."""
    row = next(row for row in scenario.layout.rows if row.figure == scenario.layout.headline)
    value = run.figures.get(row.figure)
    return f"{row.title} " + ("fails" if value is None else f"{value:,.{row.digits}f}")
