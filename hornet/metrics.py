"""The metrics of one node. Each node has its own registry, so that several can run in one process."""

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
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

TIMES_S = (0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The buckets of histograms: such work takes microseconds when all is well, and people notice 0.1 s."""


class LoopCounter:
    """A counter that only the event loop adds to. It is an addition; Prometheus' own counter takes a lock."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def inc(self, amount: int = 1) -> None:
        self.total += amount


class LoopHistogram:
    """A histogram of times, with the buckets of ``TIMES_S``, that only the event loop adds to."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(TIMES_S) + 1)
        self.sum_s = 0.0

    def observe(self, time_s: float) -> None:
        self.counts[bisect_left(TIMES_S, time_s)] += 1
        self.sum_s += time_s


class Metrics:
    """The metrics of one node, under the names and in the units of Prometheus."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.messages = self._loop_counter("hornet_messages", "Messages heard from backends and accepted")
        self.deliveries = self._loop_counter("hornet_deliveries", "Messages queued for a session")
        self.notifications = self._loop_counter("hornet_notifications", "Notifications heard and accepted")
        self.dropped = self._labelled_counter(
            "hornet_messages_dropped", "Publishes dropped as malformed", "reason"
        )
        self.admitted = self._loop_counter("hornet_admissions", "Valid credentials shown by clients")
        self.client_messages = self._loop_counter("hornet_client_messages", "Messages published by clients")
        self.commands = self._labelled_counter(
            "hornet_commands", "Commands of plug-ins", "command", "outcome"
        )
        self.refused = self._labelled_counter(
            "hornet_refusals", "Refused attempts and closed sessions", "code"
        )
        self.sessions_opened = self._loop_counter("hornet_sessions_opened", "Socket.IO sessions opened")
        self.recoveries = self._labelled_counter(
            "hornet_recoveries", "Clients that came back to a session", "outcome", "reason"
        )
        self.replayed = self._loop_counter(
            "hornet_replayed_messages", "Messages sent again to clients that missed them"
        )
        self.restarts = self._labelled_counter(
            "hornet_task_restarts", "Background tasks restarted after a failure", "task"
        )
        self.unhandled = self._loop_counter(
            "hornet_unhandled_errors", "Errors that no code of Hornet's handled"
        )
        self.events = self._loop_counter("hornet_client_events", "Events received from clients")
        self.fanout_time = self._loop_histogram(
            "hornet_fanout_seconds", "Time to queue one message for all its sessions"
        )
        self.loop_lag = self._loop_histogram(
            "hornet_loop_lag_seconds", "How late the event loop runs what is due"
        )
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Publish a value that ``read`` returns whenever the metrics are read."""
        Gauge(name, doc, registry=self._registry).set_function(read)

    def watch_totals(self, name: str, doc: str, label: str, read: Callable[[], Mapping[Any, int]]) -> None:
        """Publish totals that are kept elsewhere, one for each value of ``label`` (if "", a single one)."""
        self._registry.register(_Totals(name, doc, label, read))

    def watch_info(self, name: str, doc: str, read: Callable[[], Mapping[str, str]]) -> None:
        """Publish the labels that ``read`` returns, as ``<name>_info`` with the value 1."""
        self._registry.register(_Info(name, doc, read))

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def _loop_histogram(self, name: str, doc: str) -> LoopHistogram:
        histogram = LoopHistogram()
        self._registry.register(_Histograms(name, doc, histogram))
        return histogram

    def _loop_counter(self, name: str, doc: str) -> LoopCounter:
        counter = LoopCounter()
        self.watch_totals(name, doc, "", lambda: {"": counter.total})
        return counter

    def _labelled_counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(name, doc, labels, registry=self._registry)


class _Totals(Collector):
    """Counters that are kept elsewhere as plain numbers."""

    def __init__(self, name: str, doc: str, label: str, read: Callable[[], Mapping[Any, int]]) -> None:
        self._name, self._doc, self._label, self._read = name, doc, label, read

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._doc, labels=[self._label] if self._label else [])
        for value, total in self._read().items():
            family.add_metric([str(value)] if self._label else [], total)
        yield family


class _Info(Collector):
    """Facts about the node, as labels."""

    def __init__(self, name: str, doc: str, read: Callable[[], Mapping[str, str]]) -> None:
        self._name, self._doc, self._read = name, doc, read

    def collect(self) -> Iterator[InfoMetricFamily]:
        yield InfoMetricFamily(self._name, self._doc, value=dict(self._read()))


class _Histograms(Collector):
    """A :class:`LoopHistogram` in the form that Prometheus reads."""

    def __init__(self, name: str, doc: str, histogram: LoopHistogram) -> None:
        self._name, self._doc, self._histogram = name, doc, histogram

    def collect(self) -> Iterator[HistogramMetricFamily]:
        bounds = (*(str(bound) for bound in TIMES_S), "+Inf")
        buckets = list(zip(bounds, accumulate(self._histogram.counts), strict=True))
        yield HistogramMetricFamily(self._name, self._doc, buckets=buckets, sum_value=self._histogram.sum_s)
