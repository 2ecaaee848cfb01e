"""What it costs that a session can be recovered: with and without, in turns, each on a node of its own."""

from __future__ import annotations

from statistics import median

from benchmarks.environment import Environment
from benchmarks.errors import RunFailed
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Measurements, Scenario, measure_burst, measure_rate
from benchmarks.table import Layout, Row

RATE = 50
KINDS = {"without": {}, "with": {"recover": True}}


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    measurements = Measurements()
    turns: dict[str, list[float]] = {}
    kinds = list(KINDS) if repetition % 2 == 0 else list(KINDS)[::-1]
    for _ in range(plan.offset_turns):
        for kind in kinds:
            for name, value in _measure(environment, count, plan, kind, measurements).items():
                turns.setdefault(name, []).append(value)
    figures = measurements.figures
    figures.update({name: median(values) for name, values in turns.items()})
    for name in ("burst_us", "rate_us", "idle_kib"):
        with_it, without = figures.get(f"with_{name}"), figures.get(f"without_{name}")
        if with_it is not None and without:
            figures[f"ratio_{name}"] = with_it / without
    return figures


def _measure(
    environment: Environment, count: int, plan: Plan, kind: str, measurements: Measurements
) -> dict[str, float]:
    figures: dict[str, float] = {}
    with environment.another_node() as node:
        memory_kib = node.memory_kib()
        with node.clients(count, auth=KINDS[kind]) as clients:
            if kind == "with" and clients.recoverable < count:
                raise RunFailed("the server does not offer connection state recovery")
            node.settle()
            figures[f"{kind}_idle_kib"] = (node.memory_kib() - memory_kib) / count
            burst = measure_burst(node, clients, plan, count, measurements)
            figures[f"{kind}_burst_us"] = burst.us_per_delivery
            outcome = measure_rate(node, clients, plan, count, RATE, burst, measurements)
            if outcome is not None:
                figures[f"{kind}_rate_us"] = outcome.us_per_delivery
    return figures


def _rows(kind: str, what: str, digits: int) -> list[Row]:
    return [
        Row(f"{kind}_burst_us", f"{what}: burst, CPU µs per delivery", digits),
        Row(f"{kind}_rate_us", f"{what}: {RATE} messages/s, CPU µs per delivery", digits),
        Row(f"{kind}_idle_kib", f"{what}: KiB per idle connection", digits),
    ]


SCENARIO = Scenario(
    "offsets",
    Layout(
        "{clients} clients in one channel, with recovery and without",
        [
            *_rows("without", "without", 2),
            *_rows("with", "with", 2),
            Row("ratio_burst_us", "ratio of the burst", 3),
            Row("ratio_rate_us", f"ratio at {RATE} messages/s", 3),
            Row("ratio_idle_kib", "ratio of the memory", 3),
            Row("lost", "lost or out of order", summed=True),
        ],
        headline="ratio_burst_us",
    ),
    sizes=lambda plan: plan.sizes,
    fits=lambda peer: peer.hornet,
    run=run,
)
