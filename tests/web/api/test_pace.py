"""How often a key may ask."""

from hornet.web.api.pace import Pace


def test_a_second_worth_of_requests_passes_at_once_and_then_one_at_a_time() -> None:
    pace = Pace(10)
    assert [pace.offer("a", 5.0) for _ in range(12)] == [0] * 10 + [1, 1]
    assert pace.offer("a", 5.11) == 0
    assert pace.offer("a", 5.11) == 1
    assert pace.offer("a", 100.0) == 0


def test_each_has_a_pace_of_its_own() -> None:
    pace = Pace(1)
    assert pace.offer("a", 0.0) == 0
    assert pace.offer("b", 0.0) == 0
    assert pace.offer("a", 0.0) == 1
    assert pace.offer("a", 1.0) == 0


def test_zero_is_no_limit() -> None:
    assert not any(Pace(0).offer("a", 0.0) for _ in range(1000))
