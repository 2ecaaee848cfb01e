"""A channel in which a tenth of the clients use HTTP long-polling, as behind a proxy without WebSocket."""

from __future__ import annotations

from benchmarks.environment import Environment
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import (
    Figures,
    Measurements,
    Scenario,
    measure_burst,
    measure_rate,
    put_latency,
)
from benchmarks.table import Layout, Row

POLL_EVERY = 10
RATE = 50


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    measurements = Measurements()
    figures = measurements.figures
    with environment.clients(count, poll_every=POLL_EVERY) as clients:
        burst = measure_burst(environment, clients, plan, count, measurements)
        figures["burst_us"] = burst.us_per_delivery if burst.kept_up else None
        outcome = measure_rate(environment, clients, plan, count, RATE, burst, measurements)
        figures["rate_us"] = None if outcome is None else outcome.us_per_delivery
        put_latency(figures, "websocket", None if outcome is None else outcome.report.websocket_ms)
        put_latency(figures, "polling", None if outcome is None else outcome.report.polling_ms)
    return figures


SCENARIO = Scenario(
    "polling",
    Layout(
        "{clients} clients in one channel, a tenth of them polling",
        [
            Row("burst_us", "burst, CPU µs per delivery", 2),
            Row("rate_us", f"{RATE} messages/s, CPU µs per delivery", 1),
            Row("websocket_p50_ms", f"{RATE} messages/s over WebSocket, p50 ms", 1),
            Row("websocket_p99_ms", f"{RATE} messages/s over WebSocket, p99 ms", 1),
            Row("polling_p50_ms", f"{RATE} messages/s over polling, p50 ms", 1),
            Row("polling_p99_ms", f"{RATE} messages/s over polling, p99 ms", 1),
            Row("lost", "lost or out of order", summed=True),
        ],
        headline="burst_us",
    ),
    sizes=lambda plan: plan.sizes,
    fits=lambda peer: peer.socketio,
    run=run,
)
