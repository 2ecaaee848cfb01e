"""What Hornet counts. One object per server, so that several can live in one process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """The counters of one node, in Prometheus' names and units."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.messages = self._counter("hornet_messages", "Messages heard from backends and accepted")
        self.deliveries = self._counter("hornet_deliveries", "Messages queued for a session")
        self.dropped = self._counter("hornet_messages_dropped", "Publishes dropped as malformed", "reason")
        self.admitted = self._counter("hornet_admissions", "Valid credentials shown by clients")
        self.refused = self._counter("hornet_refusals", "Refused attempts and closed sessions", "code")
        self.sessions_opened = self._counter("hornet_sessions_opened", "Socket.IO sessions opened")
        self.restarts = self._counter(
            "hornet_task_restarts", "Background tasks restarted after a failure", "task"
        )

    def watch(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when somebody looks."""
        Gauge(name, doc, registry=self._registry).set_function(read)

    def render(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(name, doc, labels, registry=self._registry)
