"""Clients that stop reading while 100 MB are published: their cost for the server and for other clients."""

from __future__ import annotations

from benchmarks.environment import Environment, Outcome, Traffic
from benchmarks.generator import Generator
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Measurements, Scenario, put_latency
from benchmarks.table import Layout, Row


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    measurements = Measurements()
    figures = measurements.figures
    with environment.clients(count) as clients:
        outcome, _ = _publish(environment, clients, plan, count)
        put_latency(figures, "all_read", measurements.note(outcome).report.latency_ms)
        memory_kib = environment.memory_kib()
        clients.stall(plan.slow_clients)
        outcome, peak_kib = _publish(environment, clients, plan, count - plan.slow_clients)
        put_latency(figures, "some_stall", measurements.note(outcome).report.latency_ms)
        figures["slow"] = plan.slow_clients
        figures["published_mb"] = plan.slow_bytes / 1e6
        figures["slow_mib"] = (peak_kib - memory_kib) / 1024 / plan.slow_clients
        figures["slow_closed"], figures["others_closed"] = clients.count_disconnected()
    return figures


def _publish(environment: Environment, clients: Generator, plan: Plan, receivers: int) -> tuple[Outcome, int]:
    """Publish to ``receivers``. Return the outcome, and the server's largest memory meanwhile, in KiB."""
    peak_kib = 0

    def watch() -> None:
        nonlocal peak_kib
        peak_kib = max(peak_kib, environment.memory_kib())

    messages = plan.slow_bytes // plan.slow_message_bytes
    traffic = Traffic(
        messages,
        receivers,
        rate=plan.slow_rate,
        size_bytes=plan.slow_message_bytes,
        deadline_s=3 * messages / plan.slow_rate + 10,
    )
    outcome = environment.send(clients, traffic, watch)
    return outcome, peak_kib


SCENARIO = Scenario(
    "slow-reader",
    Layout(
        "{clients} clients, of which some stop reading",
        [
            Row("slow", "slow clients"),
            Row("published_mb", "MB published to each while they are"),
            Row("slow_mib", "memory for each slow client at the peak, MiB", 1),
            Row("slow_closed", "slow clients disconnected"),
            Row("all_read_p50_ms", "when all read, p50 ms", 2),
            Row("all_read_p99_ms", "when all read, p99 ms", 2),
            Row("some_stall_p50_ms", "the others while some are slow, p50 ms", 2),
            Row("some_stall_p99_ms", "the others while some are slow, p99 ms", 2),
            Row("others_closed", "others disconnected", summed=True),
            Row("lost", "lost or out of order among the others", summed=True),
        ],
        headline="slow_mib",
    ),
    sizes=lambda plan: (plan.prompt_clients + plan.slow_clients,),
    fits=lambda peer: True,
    run=run,
    once=True,
)
