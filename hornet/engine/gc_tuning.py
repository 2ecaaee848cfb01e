"""The garbage collector, tuned for a process that holds many long-lived objects.

With the default thresholds the collector walks all sessions each time a few thousand objects have been made.
That was the largest single cost of the stock server's fan-out (38 %), and the cause of its worst latencies.
"""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 100)
"""How many new objects there are before the youngest are collected, how many such collections before older
objects are, and how many of those before all are."""


class GcTuning:
    """Tunes the collector for the life of an engine, and restores its thresholds afterwards."""

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def start(self) -> None:
        """Collect once, take all that exists out of later walks, and collect less often."""
        if self._before is None:
            self._before = gc.get_threshold()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*THRESHOLDS)

    def stop(self) -> None:
        """Restore the thresholds from before ``start``; do nothing without a start."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None
