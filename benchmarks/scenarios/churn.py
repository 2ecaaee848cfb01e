"""Clients that connect and disconnect again and again: does the server's memory grow?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from benchmarks.environment import Environment
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Scenario
from benchmarks.table import Layout, Row


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    figures: Figures = {"before_mib": environment.memory_kib() / 1024, "rounds": plan.churn_rounds}
    connected, empty = [], []
    for _ in range(plan.churn_rounds):
        with environment.clients(count):
            environment.settle()
            connected.append(environment.memory_kib())
        environment.settle()
        empty.append(environment.memory_kib())
    figures["first_mib"] = empty[0] / 1024
    figures["last_mib"] = empty[-1] / 1024
    figures["first_connected_mib"] = connected[0] / 1024
    figures["last_connected_mib"] = connected[-1] / 1024
    # In the first rounds, tables and the allocator grow to their sizes. Only a leak goes on after that.
    figures["growth_bytes"] = slope(empty[plan.churn_rounds // 2 :]) * 1024 / count
    return figures


def slope(values: Sequence[float]) -> float:
    """Return the growth from one value to the next, or 0 for fewer than two values.

    It is the median of the slopes of all pairs (the Theil-Sen estimator), which outliers do not change.
    """
    pairs = combinations(enumerate(values), 2)
    return median([(later - value) / (j - i) for (i, value), (j, later) in pairs] or [0.0])


SCENARIO = Scenario(
    "churn",
    Layout(
        "{clients} connections come and go, again and again",
        [
            Row("rounds", "rounds"),
            Row("before_mib", "MiB before", 1),
            Row("first_connected_mib", "MiB while connected, first round", 1),
            Row("last_connected_mib", "MiB while connected, last round", 1),
            Row("first_mib", "MiB after the first round", 1),
            Row("last_mib", "MiB after the last round", 1),
            Row("growth_bytes", "growth per connection in the second half of the rounds, bytes"),
        ],
        headline="growth_bytes",
    ),
    sizes=lambda plan: (plan.churn_clients,),
    fits=lambda peer: True,
    run=run,
    once=True,
)
