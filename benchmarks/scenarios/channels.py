"""A hundred thousand channels: the cost of joining and leaving one, and their cost for other clients."""

from __future__ import annotations

from benchmarks.environment import Environment
from benchmarks.plan import Plan
from benchmarks.scenarios.scenario import Figures, Scenario
from benchmarks.table import Layout, Row


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    sessions, each = plan.channel_sessions, plan.channels_per_session
    names = [[f"channel-{session}-{number}" for number in range(each)] for session in range(sessions)]
    _visit_us(environment, plan)  # the first clients pay for what the server builds only once
    figures: Figures = {"visit_alone_us": _visit_us(environment, plan)}
    memory_kib, before_s = environment.memory_kib(), environment.cpu_s()
    with environment.clients(sessions, channels=names):
        environment.settle()
        figures["join_us"] = (environment.cpu_s() - before_s) * 1e6 / count
        figures["channel_bytes"] = (environment.memory_kib() - memory_kib) * 1024 / count
        figures["visit_among_us"] = _visit_us(environment, plan)
        before_s = environment.cpu_s()
    environment.settle()
    figures["leave_us"] = (environment.cpu_s() - before_s) * 1e6 / count
    return figures


def _visit_us(environment: Environment, plan: Plan) -> float:
    """Return the server's CPU time, in µs, for a client that connects, joins one channel and disconnects."""
    before_s = environment.cpu_s()
    with environment.clients(plan.visitors):
        pass
    environment.settle()
    return (environment.cpu_s() - before_s) * 1e6 / plan.visitors


SCENARIO = Scenario(
    "channels",
    Layout(
        "{clients} channels, each with one client",
        [
            Row("join_us", "join a channel, CPU µs (its share of the connection included)", 1),
            Row("leave_us", "leave it, CPU µs (its share of the disconnection included)", 1),
            Row("channel_bytes", "memory for each channel, bytes"),
            Row("visit_alone_us", "another client comes and goes, before: CPU µs"),
            Row("visit_among_us", "another client comes and goes, among them: CPU µs"),
        ],
        headline="join_us",
    ),
    sizes=lambda plan: (plan.channel_sessions * plan.channels_per_session,),
    fits=lambda peer: peer.socketio,
    run=run,
    once=True,
)
