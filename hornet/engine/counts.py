"""The engine's counters, which the metrics page reads."""

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
    """Connections refused or cut for a reason that Engine.IO has no number for, by Hornet's code."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Broken input from clients, by the code of the fault."""
    foreign_recoveries: Counter[str] = field(default_factory=Counter)
    """What clients that want to recover sent and no node made: how often the ``pid`` or the ``offset``."""
    upgrades: int = 0
    """Sessions that moved from polling to WebSocket."""
    unknown_answers: int = 0
    """Acknowledgements from clients that nobody asked for."""
    paced: int = 0
    """Times that Hornet stopped reading from a session for a while, because of ``max_byte_rate``."""
    slow_readers: int = 0
    """Sessions ended because the client read too slowly for ``send_buffer_bytes``."""
    bytes_out: int = 0
    """Bytes that the fan-out wrote to WebSockets, and of the answers to polls."""
    bytes_in: int = 0
    """Bytes received on WebSockets and in POST bodies."""
    hook_errors: int = 0
    """Hooks and handlers that raised an exception: each is a bug in Hornet or in a plug-in."""
