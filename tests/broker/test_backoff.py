"""Waits before another attempt: longer each time, never too long, and not the same for everybody."""

import pytest

from hornet.broker.backoff import MAX_BACKOFF_S, backoff_s


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.1), (1, 0.2), (3, 0.8), (6, MAX_BACKOFF_S), (10_000, MAX_BACKOFF_S)]
)
def test_it_doubles_up_to_a_limit_and_is_different_each_time(attempt: int, longest: float) -> None:
    waits = [backoff_s(attempt, 0.1) for _ in range(200)]
    assert longest / 2 <= min(waits) < 0.6 * longest
    assert 0.9 * longest < max(waits) <= longest
    assert len(set(waits)) > 100
