"""Clients that come and go, again and again: does the server's memory grow?"""

from __future__ import annotations

from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Scenario
from benchmarks.stage import Stage
from benchmarks.table import Layout, Row


def play(stage: Stage, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    figures: Figures = {"before_mib": stage.memory_kib() / 1024, "rounds": plan.churn_rounds}
    connected, empty = [], []
    for _ in range(plan.churn_rounds):
        with stage.clients(count):
            stage.settle()
            connected.append(stage.memory_kib())
        stage.settle()
        empty.append(stage.memory_kib())
    figures["first_mib"] = empty[0] / 1024
    figures["last_mib"] = empty[-1] / 1024
    figures["first_connected_mib"] = connected[0] / 1024
    figures["last_connected_mib"] = connected[-1] / 1024
    # In the first rounds tables and the allocator find their sizes; a leak goes on.
    half = plan.churn_rounds // 2
    figures["growth_bytes"] = (empty[-1] - empty[half]) * 1024 / (count * (plan.churn_rounds - 1 - half))
    return figures


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
    play=play,
    once=True,
)
