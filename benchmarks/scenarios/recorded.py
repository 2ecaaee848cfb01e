"""What it costs that a publish is recorded: plain and recorded in turns, to the same clients of one node."""

from __future__ import annotations

from statistics import median

from benchmarks.environment import Environment, Traffic
from benchmarks.generator import Generator
from benchmarks.plan import Plan
from benchmarks.redis_usage import redis_usage
from benchmarks.scenarios.scenario import Figures, Measurements, Scenario
from benchmarks.table import Layout, Row

DEADLINE_S = 60.0
KINDS = {"plain": "`PUBLISH`", "recorded": "recorded"}
RATIOS = ("burst_redis_us", "burst_node_us", "rate_redis_us", "rate_node_us")


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    measurements = Measurements()
    turns: dict[str, list[float]] = {}
    kinds = list(KINDS) if repetition % 2 == 0 else list(KINDS)[::-1]
    with environment.clients(count) as clients:
        for turn in range(plan.recorded_turns + 1):
            for kind in kinds:
                for name, value in _measure(environment, clients, plan, kind, count, measurements).items():
                    if turn:  # the first one warms up
                        turns.setdefault(name, []).append(value)
    figures = measurements.figures
    figures.update({name: median(values) for name, values in turns.items()})
    for name in RATIOS:
        figures[f"ratio_{name}"] = median(turns[f"recorded_{name}"]) / (median(turns[f"plain_{name}"]) or 1)
    return figures


def _measure(
    environment: Environment,
    clients: Generator,
    plan: Plan,
    kind: str,
    receivers: int,
    measurements: Measurements,
) -> dict[str, float]:
    """Publish in a burst, then one message at a time; return the CPU µs for each in Redis and in the node."""
    figures = {}
    for way, rate, seconds in (("burst", None, 1.0), ("rate", plan.recorded_rate, plan.recorded_rate_s)):
        count = plan.recorded_messages if rate is None else int(rate * seconds)
        traffic = Traffic(count, receivers, rate=rate, window=plan.window, form=kind, deadline_s=DEADLINE_S)
        with redis_usage(environment.redis_port) as usage:
            outcome = measurements.note(environment.send(clients, traffic))
        figures[f"{kind}_{way}_redis_us"] = usage.cpu_s * 1e6 / count
        figures[f"{kind}_{way}_node_us"] = outcome.us_per_message
    return figures


def _rows(prefix: str, what: str, digits: int) -> list[Row]:
    return [
        Row(f"{prefix}_burst_redis_us", f"{what}: burst, CPU µs in Redis per publish", digits),
        Row(f"{prefix}_burst_node_us", f"{what}: burst, CPU µs in the node per message", digits),
        Row(f"{prefix}_rate_redis_us", f"{what}: one at a time, CPU µs in Redis per publish", digits),
        Row(f"{prefix}_rate_node_us", f"{what}: one at a time, CPU µs in the node per message", digits),
    ]


SCENARIO = Scenario(
    "recorded",
    Layout(
        "publishing to {clients} clients, plain and recorded",
        [
            *_rows("plain", KINDS["plain"], 1),
            *_rows("recorded", KINDS["recorded"], 1),
            Row("ratio_burst_redis_us", "ratio in Redis, burst", 2),
            Row("ratio_burst_node_us", "ratio in the node, burst", 2),
            Row("ratio_rate_redis_us", "ratio in Redis, one at a time", 2),
            Row("ratio_rate_node_us", "ratio in the node, one at a time", 2),
            Row("lost", "lost or out of order", summed=True),
        ],
        headline="ratio_burst_redis_us",
    ),
    sizes=lambda plan: (plan.recorded_clients,),
    fits=lambda peer: peer.hornet,
    run=run,
)
