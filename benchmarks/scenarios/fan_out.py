"""Every client in one channel over WebSocket: the table of the README."""

from __future__ import annotations

import time

from benchmarks.plan import FULL, Plan
from benchmarks.scenarios.scenario import Figures, Scenario, Tally, measure_burst, measure_rate, put_rate
from benchmarks.stage import Stage
from benchmarks.table import Layout, Row


def play(stage: Stage, count: int, plan: Plan, repetition: int) -> Figures:
    tally = Tally()
    figures = tally.figures
    memory_kib, cpu_s = stage.memory_kib(), stage.cpu_s()
    with stage.clients(count) as clients:
        figures["connections_per_s"] = count / clients.connect_s
        figures["connect_cpu_us"] = (stage.cpu_s() - cpu_s) * 1e6 / count
        stage.settle()
        figures["idle_kib"] = (stage.memory_kib() - memory_kib) / count
        if repetition == 0:
            figures["idle_us_per_s"] = _idle_us_per_s(stage, count, plan)
        burst = measure_burst(stage, clients, plan, count, tally)
        figures["burst_us"] = burst.us_per_delivery if burst.kept_up else None
        figures["burst_per_s"] = burst.report.deliveries / max(burst.report.wall_s, 1e-9)
        for rate in plan.rates:
            put_rate(figures, rate, measure_rate(stage, clients, plan, count, rate, burst, tally))
    return figures


def _idle_us_per_s(stage: Stage, count: int, plan: Plan) -> float:
    """CPU per connection and second while nothing happens but pings."""
    before, start = stage.cpu_s(), time.monotonic()
    time.sleep(plan.idle_s)
    return (stage.cpu_s() - before) * 1e6 / count / (time.monotonic() - start)


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
    play=play,
)
