"""What the API counts, as plain numbers; the composition root publishes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class ApiCounts:
    """``requests`` by operation, carried out or not; ``refusals`` by the problem's code; ``keys`` by name."""

    requests: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
