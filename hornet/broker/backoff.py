"""How long to wait before something is tried again."""

from __future__ import annotations

import random

MAX_BACKOFF_S = 5.0
"""Longest wait between attempts; Redis is usually on the same network, so a long wait only adds downtime."""


def backoff_s(attempt: int, first_s: float) -> float:
    """Twice as long with each attempt, from ``first_s`` up to ``MAX_BACKOFF_S``; less by up to a half of it.

    That is random, so that nodes which lost Redis at the same moment do not all come back at the same one.
    """
    return min(MAX_BACKOFF_S, first_s * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
