"""The parts of a scenario, and the measurements that several scenarios make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.environment import Environment, Outcome, Traffic
from benchmarks.generator import Generator, Latency
from benchmarks.peers import Peer
from benchmarks.plan import Plan
from benchmarks.results import Figure
from benchmarks.table import Layout

WARM_UP_MESSAGES = 1_000
"""The most messages of a warm-up: they are enough even if each has few receivers."""

MESSAGES = (10, 50_000)
"""The fewest and the most messages of a burst."""

SATURATED = 0.92
"""A fixed rate that needs more than this share of a core is not tried: the queue would only grow."""

RATE_GRACE_S = 10.0

Figures = dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    layout: Layout
    sizes: Callable[[Plan], tuple[int, ...]]
    """Numbers of clients to try."""
    fits: Callable[[Peer], bool]
    run: Callable[[Environment, int, Plan, int], Figures]
    """Measures a peer: the environment, the number of clients, the plan, the number of the repetition."""
    once: bool = False
    """Measured only once: its figures hardly differ between repetitions."""


@dataclass(slots=True)
class Measurements:
    """The figures of one run. ``lost`` among them counts the wrong deliveries of all its measurements."""

    figures: Figures = field(default_factory=dict)

    def note(self, outcome: Outcome) -> Outcome:
        self.figures["lost"] = (self.figures.get("lost") or 0) + outcome.report.wrong
        return outcome


def measure_burst(
    environment: Environment,
    clients: Generator,
    plan: Plan,
    receivers: int,
    measurements: Measurements,
    extra: Mapping[str, Any] | None = None,
) -> Outcome:
    """Publish for about ``plan.burst_s`` as fast as the server takes the messages.

    A short burst first warms the server up, and shows how many messages it takes in that time.
    """
    extra = extra or {}
    count = min(WARM_UP_MESSAGES, max(5, plan.warm_up_deliveries // receivers))
    first = measurements.note(
        environment.send(clients, Traffic(count, receivers, window=plan.window, extra=extra))
    )
    each_s = max(first.server_cpu_s, first.report.wall_s, 1e-4) / count
    low, high = MESSAGES
    count = int(min(high, max(low, plan.burst_s / each_s)))
    deadline_s = plan.burst_s * 10 + 20
    traffic = Traffic(count, receivers, window=plan.window, extra=extra, deadline_s=deadline_s)
    return measurements.note(environment.send(clients, traffic))


def measure_rate(
    environment: Environment,
    clients: Generator,
    plan: Plan,
    receivers: int,
    rate: int,
    burst: Outcome,
    measurements: Measurements,
) -> Outcome | None:
    """Publish at a fixed rate. Return None if the server can't keep up, or can't by the cost of ``burst``."""
    if burst.us_per_delivery * receivers * rate / 1e6 > SATURATED:
        return None
    count = max(5, int(rate * plan.rate_s))
    deadline_s = plan.rate_s * 4 + RATE_GRACE_S
    outcome = environment.send(clients, Traffic(count, receivers, rate=rate, deadline_s=deadline_s))
    if not outcome.kept_up:
        return None
    return measurements.note(outcome)


def put_rate(figures: Figures, rate: int, outcome: Outcome | None) -> None:
    """Add the figures of :func:`measure_rate`."""
    figures[f"rate_{rate}_us"] = None if outcome is None else outcome.us_per_delivery
    put_latency(figures, f"rate_{rate}", None if outcome is None else outcome.report.latency_ms)


def put_latency(figures: Figures, name: str, latency: Latency | None) -> None:
    figures[f"{name}_p50_ms"] = None if latency is None else latency.p50
    figures[f"{name}_p99_ms"] = None if latency is None else latency.p99
