"""All clients in one channel over WebSocket: the table of the README."""

from __future__ import annotations

import time

from benchmarks.environment import Environment
from benchmarks.plan import FULL, Plan
from benchmarks.scenarios.scenario import (
    Figures,
    Measurements,
    Scenario,
    measure_burst,
    measure_rate,
    put_rate,
)
from benchmarks.table import Layout, Row


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    measurements = Measurements()
    figures = measurements.figures
    memory_kib, cpu_s = environment.memory_kib(), environment.cpu_s()
    with environment.clients(count) as clients:
        figures["connections_per_s"] = count / clients.connect_s
        figures["connect_cpu_us"] = (environment.cpu_s() - cpu_s) * 1e6 / count
        environment.settle()
        figures["idle_kib"] = (environment.memory_kib() - memory_kib) / count
        if repetition == 0:
            figures["idle_us_per_s"] = _idle_us_per_s(environment, count, plan)
        burst = measure_burst(environment, clients, plan, count, measurements)
        figures["burst_us"] = burst.us_per_delivery if burst.kept_up else None
        figures["burst_per_s"] = burst.report.deliveries / max(burst.report.wall_s, 1e-9)
        for rate in plan.rates:
            put_rate(
                figures, rate, measure_rate(environment, clients, plan, count, rate, burst, measurements)
            )
    return figures


def _idle_us_per_s(environment: Environment, count: int, plan: Plan) -> float:
    """Return the CPU time per connection and second, in µs, while only pings are sent."""
    before, start = environment.cpu_s(), time.monotonic()
    time.sleep(plan.idle_s)
    return (environment.cpu_s() - before) * 1e6 / count / (time.monotonic() - start)


def _rate_rows() -> list[Row]:
    rows = []
    for rate in FULL.rates:
        rows += [
            Row(f"rate_{rate}_us", f"{rate} messages/s, CPU µs per delivery", 1),
            Row(f"rate_{rate}_p50_ms", f"{rate} messages/s, p50 ms", 1),
            Row(f"rate_{rate}_p99_ms", f"{rate} messages/s, p99 ms", 1),
        ]
    return rows


SCENARIO = Scenario(
    "fan-out",
    Layout(
        "{clients} clients in one channel",
        [
            Row("burst_us", "burst, CPU µs per delivery", 2),
            *_rate_rows(),
            Row("idle_kib", "KiB per idle connection", 1),
            Row("idle_us_per_s", "idle CPU, µs per connection and second", 2),
            Row("connections_per_s", "connections per second"),
            Row("lost", "lost or out of order", summed=True),
        ],
        headline="burst_us",
    ),
    sizes=lambda plan: plan.sizes,
    fits=lambda peer: True,
    run=run,
)
