"""The growth that the churn scenario reports."""

import pytest

from benchmarks.scenarios.churn import slope


@pytest.mark.parametrize(
    ("values", "growth"),
    [([], 0), ([5], 0), ([1, 3, 5, 7], 2), ([5, 5, 9, 5, 5], 0), ([7, 6, 5], -1), ([1, 3, 20, 7, 9], 2)],
)
def test_the_slope_is_the_growth_of_most_rounds(values: list[float], growth: float) -> None:
    assert slope(values) == growth
