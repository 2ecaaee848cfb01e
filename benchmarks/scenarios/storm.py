"""Clients that come back all at once to another node, after theirs was killed, and want what they missed.

Two nodes run. All clients of the storm are on the first, bystanders in a channel of their own on the second.
The first is killed; messages are published while its clients are away; then they come back to the second
with what they know of their sessions. Bystanders get 50 messages a second before and during that.

A killed node can save nothing. Where a server saves a session only when its connection ends, no session is
recovered then, so the storm happens a second time with connections that are cut while their node lives on.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from urllib.request import urlopen

from benchmarks.environment import CHANNEL, Environment, Traffic
from benchmarks.errors import RunFailed
from benchmarks.generator import Generator, Report
from benchmarks.plan import Plan
from benchmarks.publishing import GRACE_S
from benchmarks.redis_usage import RedisUsage, redis_usage
from benchmarks.scenarios.scenario import Figures, Scenario
from benchmarks.table import Layout, Row

ROOM = "room"
RATE = 50
BYSTANDERS = 50
DEADLINE_S = 100.0
RECOVERIES = re.compile(r"^hornet_recoveries_total\{([^}]*)\} (\S+)$", re.MULTILINE)
SPEED = 20_000
"""Messages a second that are published while the clients are away: faster than Redis takes them."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What was measured from the first client's return until all had everything."""

    returned: Report
    bystanders: Report
    cpu_s: float
    redis: RedisUsage


def run(environment: Environment, count: int, plan: Plan, repetition: int) -> Figures:
    del repetition
    figures: Figures = {"missed": plan.storm_messages, "bystanders_lost": 0}
    channels = [[f"{ROOM}-{number}"] for number in range(plan.storm_rooms)]
    with environment.clients(BYSTANDERS, auth={}) as bystanders:
        messages = int(RATE * plan.storm_quiet_s)
        quiet = environment.send(bystanders, _traffic(environment, messages, BYSTANDERS))
        figures["quiet_p99_ms"] = quiet.report.latency_ms.p99
        for way in ("killed", "cut"):
            with (
                environment.another_node() as node,
                node.clients(
                    count, channels=channels, auth={"recover": True}, in_flight=plan.storm_in_flight
                ) as clients,
            ):
                if clients.recoverable < count:
                    raise RunFailed("the server does not offer connection state recovery")
                clients.arm(2**63, DEADLINE_S)
                if way == "killed":
                    node.kill()
                else:
                    clients.cut()
                clients.wait_until_away(count)
                _publish_missed(environment, plan)
                storm = _measure(environment, clients, bystanders, plan)
            _put(figures, way, storm, quiet.server_cpu_s / plan.storm_quiet_s, plan)
    return figures


def _traffic(environment: Environment, messages: int, receivers: int) -> Traffic:
    form = "recorded" if environment.peer.hornet else "streams"
    return Traffic(messages, receivers, rate=RATE, form=form, channel=CHANNEL, deadline_s=DEADLINE_S)


def _publish_missed(environment: Environment, plan: Plan) -> None:
    """Publish to each room what its clients miss."""
    messages = plan.storm_rooms * plan.storm_messages
    traffic = _traffic(environment, messages, 0)
    missed = dataclasses.replace(traffic, rate=SPEED, channel=ROOM, rooms=plan.storm_rooms)
    with environment.publishing(missed) as publishing:
        if publishing.wait() < messages:
            raise RunFailed("Redis did not take all messages in time")
    environment.settle()


def _measure(environment: Environment, clients: Generator, bystanders: Generator, plan: Plan) -> Storm:
    endless = _traffic(environment, 1_000_000, BYSTANDERS)
    bystanders.arm(2**63, DEADLINE_S + GRACE_S)
    with environment.publishing(endless) as publishing, redis_usage(environment.redis_port) as redis:
        before = environment.cpu_s()
        clients.come_back(environment.port, plan.storm_messages)
        returned = clients.report(DEADLINE_S + GRACE_S, publishing.check)
        cpu_s = environment.cpu_s() - before
        bystanders.expect(publishing.stop() * BYSTANDERS, GRACE_S)
        others = bystanders.report(2 * GRACE_S)
    environment.reports += [dataclasses.asdict(report) for report in (returned, others)]
    if returned.failed:
        environment.reports.append({"complaints": clients.last_complaints()})
    if environment.peer.hornet:
        environment.reports.append({"recoveries": _recoveries(environment)})
    environment.reports.append({"redis_calls": redis.calls, "redis_cpu_s": redis.cpu_s})
    return Storm(returned, others, cpu_s, redis)


def _recoveries(environment: Environment) -> dict[str, float]:
    """Return how many sessions the node has recovered and not recovered so far, and why not."""
    with urlopen(f"http://127.0.0.1:{environment.port}/metrics", timeout=GRACE_S) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in RECOVERIES.findall(text)}


def _put(figures: Figures, way: str, storm: Storm, quiet_share: float, plan: Plan) -> None:
    """Add the figures of one storm. ``quiet_share`` of a core went to the bystanders before it."""
    report = storm.returned
    back = report.recovered + report.fresh
    took_s = max(report.all_back_s, 1e-9)
    figures[f"{way}_recovered"] = 100 * report.recovered / (back + report.failed)
    figures[f"{way}_per_s"] = back / took_s
    if back:
        figures[f"{way}_cpu_us"] = max(0.0, storm.cpu_s - quiet_share * took_s) * 1e6 / back
        figures[f"{way}_commands"] = storm.redis.commands / back
        figures[f"{way}_redis_us"] = storm.redis.cpu_s * 1e6 / back
    owed = report.recovered * plan.storm_messages
    lost = max(0, owed - report.to_recovered)
    doubled = max(0, report.to_recovered - owed) + report.repeated + report.out_of_order
    figures[f"{way}_lost"] = lost
    figures[f"{way}_doubled"] = doubled
    figures[f"{way}_refused"] = report.failed
    figures["lost"] = (figures.get("lost") or 0) + lost + doubled + report.failed + storm.bystanders.wrong
    figures[f"{way}_p99_ms"] = storm.bystanders.latency_ms.p99
    figures[f"{way}_max_ms"] = storm.bystanders.latency_ms.max
    figures[f"{way}_generator"] = 100 * report.generator_cpu_s / took_s
    figures["bystanders_lost"] = (figures["bystanders_lost"] or 0) + storm.bystanders.wrong


def _rows(way: str, what: str) -> list[Row]:
    return [
        Row(f"{way}_recovered", f"{what}: sessions recovered, %", 1),
        Row(f"{way}_per_s", f"{what}: clients back with all they missed, per second"),
        Row(f"{way}_cpu_us", f"{what}: server CPU µs per client"),
        Row(f"{way}_commands", f"{what}: commands in Redis per client", 2),
        Row(f"{way}_redis_us", f"{what}: CPU µs in Redis per client", 1),
        Row(f"{way}_p99_ms", f"{what}: bystanders, p99 ms", 1),
        Row(f"{way}_max_ms", f"{what}: bystanders, slowest ms", 1),
        Row(f"{way}_generator", f"{what}: CPU of the load generator, % of a core"),
        Row(f"{way}_lost", f"{what}: lost by recovered sessions", summed=True),
        Row(f"{way}_doubled", f"{what}: doubled or out of order", summed=True),
        Row(f"{way}_refused", f"{what}: not let in", summed=True),
    ]


SCENARIO = Scenario(
    "storm",
    Layout(
        "{clients} clients come back to another node",
        [
            Row("missed", "messages that each missed"),
            Row("quiet_p99_ms", "bystanders before, p99 ms", 1),
            *_rows("killed", "node killed"),
            *_rows("cut", "connections cut"),
            Row("bystanders_lost", "lost by bystanders", summed=True),
        ],
        headline="killed_per_s",
    ),
    sizes=lambda plan: plan.storm_sizes,
    fits=lambda peer: peer.hornet or peer.only_scenario == "storm",
    run=run,
)
