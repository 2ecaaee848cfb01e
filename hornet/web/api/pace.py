"""How often one key may ask."""

from __future__ import annotations

import math


class Pace:
    """Lets ``per_s`` through each second, and as many at once after a second of silence.

    ``per_s`` 0 lets all through. Times are those of one monotonic clock, in seconds.
    """

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._full_at: dict[str, float] = {}

    def offer(self, who: str, now: float) -> int:
        """0 when ``who`` may go ahead; else after how many whole seconds there is room again."""
        if not self._per_s:
            return 0
        full_at = max(self._full_at.get(who, now), now)
        room_in_s = full_at + 1 / self._per_s - now - 1
        if room_in_s > 1e-9:
            return math.ceil(room_in_s)
        self._full_at[who] = full_at + 1 / self._per_s
        return 0
