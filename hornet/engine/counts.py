"""What the engine counts; the metrics page reads it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Totals since the start; they only grow."""

    opened: Counter[str] = field(default_factory=Counter)
    """Sessions opened, by ``transport/version``."""
    closed: Counter[str] = field(default_factory=Counter)
    """Sessions ended, by reason."""
    refusals: Counter[int] = field(default_factory=Counter)
    """HTTP requests refused, by Engine.IO error code (0 to 5)."""
    refused: Counter[str] = field(default_factory=Counter)
    """Connections refused or cut for one of our own reasons, by its code."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Broken input from clients, by what was wrong."""
    upgrades: int = 0
    slow_readers: int = 0
    messages: int = 0
    """Messages given to ``fan_out``."""
    deliveries: int = 0
    """Deliveries queued by ``fan_out``."""
    writes: int = 0
    """Writes to WebSockets made for them: fewer than deliveries wherever messages were joined."""
    bytes_out: int = 0
    """Bytes of those writes, and of the answers to polls."""
    bytes_in: int = 0
    """Bytes received on WebSockets and in POST bodies."""
    hook_errors: int = 0
    """Hooks that raised: a bug of ours."""
