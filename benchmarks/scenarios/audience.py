"""Messages for some clients of a channel: ``only`` and ``except``, which only Hornet has."""

from __future__ import annotations

from benchmarks.environment import Environment, Outcome
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Measurements, Scenario, measure_burst
from benchmarks.table import Layout, Row

ONE_IN = 10


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    measurements = Measurements()
    figures = measurements.figures
    with environment.clients(count) as clients:
        some = environment.tokens[::ONE_IN]
        others = count - len(some)

        def burst(receivers: int, extra: dict[str, list[str]]) -> Outcome:
            outcome = measure_burst(environment, clients, plan, receivers, measurements, extra)
            figures["strangers"] = (figures.get("strangers") or 0) + abs(outcome.report.receivers - receivers)
            return outcome

        figures["all_us"] = burst(count, {}).us_per_delivery
        figures["only_us"] = burst(len(some), {"only": some}).us_per_delivery
        figures["except_us"] = burst(others, {"except": some}).us_per_delivery
        figures["one_us"] = burst(1, {"only": some[:1]}).us_per_message
    return figures


SCENARIO = Scenario(
    "audience",
    Layout(
        "`only` and `except` among {clients} clients, burst",
        [
            Row("all_us", "to all, CPU µs per delivery", 2),
            Row("only_us", "`only` a tenth of them, CPU µs per delivery", 2),
            Row("except_us", "`except` a tenth of them, CPU µs per delivery", 2),
            Row("one_us", "`only` one of them, CPU µs per message", 1),
            Row("strangers", "clients that got what was not for them, or nothing", summed=True),
            Row("lost", "lost or out of order", summed=True),
        ],
        headline="all_us",
    ),
    sizes=lambda plan: plan.sizes,
    fits=lambda peer: peer.hornet,
    run=run,
)
