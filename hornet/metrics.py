"""What Hornet counts. One object per server, so that several can live in one process."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

TIMES_S = (0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Buckets for what takes microseconds while all is well, and is felt by people from 0.1 s on."""


class Tally:
    """A total that only the event loop adds to: an addition, where Prometheus' own counters take a lock."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def inc(self, more: int = 1) -> None:
        self.total += more


class Spread:
    """How often something took how long, in ``TIMES_S``; only the event loop adds to it."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(TIMES_S) + 1)
        self.sum_s = 0.0

    def observe(self, time_s: float) -> None:
        self.counts[bisect_left(TIMES_S, time_s)] += 1
        self.sum_s += time_s


class Metrics:
    """The counters of one node, in Prometheus' names and units."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.messages = self._tally("hornet_messages", "Messages heard from backends and accepted")
        self.deliveries = self._tally("hornet_deliveries", "Messages queued for a session")
        self.notifications = self._tally("hornet_notifications", "Notifications heard and accepted")
        self.dropped = self._counter("hornet_messages_dropped", "Publishes dropped as malformed", "reason")
        self.admitted = self._tally("hornet_admissions", "Valid credentials shown by clients")
        self.client_messages = self._tally("hornet_client_messages", "Messages published by clients")
        self.commands = self._counter("hornet_commands", "Commands of plug-ins", "command", "outcome")
        self.refused = self._counter("hornet_refusals", "Refused attempts and closed sessions", "code")
        self.sessions_opened = self._tally("hornet_sessions_opened", "Socket.IO sessions opened")
        self.restarts = self._counter(
            "hornet_task_restarts", "Background tasks restarted after a failure", "task"
        )
        self.unhandled = self._tally("hornet_unhandled_errors", "Errors that no code of Hornet's handled")
        self.events = self._tally("hornet_client_events", "Events received from clients")
        self.fanout_time = self._histogram(
            "hornet_fanout_seconds", "Time to queue one message for all its sessions"
        )
        self.loop_lag = self._histogram("hornet_loop_lag_seconds", "How late the event loop runs what is due")
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when somebody looks."""
        Gauge(name, doc, registry=self._registry).set_function(read)

    def watch_totals(self, name: str, doc: str, label: str, read: Callable[[], Mapping[Any, int]]) -> None:
        """Publish totals that are kept elsewhere, one for each value of ``label`` (or one, if "")."""
        self._registry.register(_Totals(name, doc, label, read))

    def render(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, doc: str) -> Spread:
        spread = Spread()
        self._registry.register(_Spreads(name, doc, spread))
        return spread

    def _tally(self, name: str, doc: str) -> Tally:
        tally = Tally()
        self.watch_totals(name, doc, "", lambda: {"": tally.total})
        return tally

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(name, doc, labels, registry=self._registry)


class _Totals(Collector):
    """Counters that a hot path keeps as plain numbers."""

    def __init__(self, name: str, doc: str, label: str, read: Callable[[], Mapping[Any, int]]) -> None:
        self._name, self._doc, self._label, self._read = name, doc, label, read

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._doc, labels=[self._label] if self._label else [])
        for value, total in self._read().items():
            family.add_metric([str(value)] if self._label else [], total)
        yield family


class _Spreads(Collector):
    """A histogram that a hot path keeps as plain numbers."""

    def __init__(self, name: str, doc: str, spread: Spread) -> None:
        self._name, self._doc, self._spread = name, doc, spread

    def collect(self) -> Iterator[HistogramMetricFamily]:
        bounds = (*(str(bound) for bound in TIMES_S), "+Inf")
        buckets = list(zip(bounds, accumulate(self._spread.counts), strict=True))
        yield HistogramMetricFamily(self._name, self._doc, buckets=buckets, sum_value=self._spread.sum_s)
