"""The judge of a soak run: it must see what is missing, or it is no use."""

import re
import subprocess
import sys

import pytest

from benchmarks.soak.expected_deliveries import Entry, ExpectedDeliveries, Listening
from tests.docs.markdown import ROOT


def expected_of(*published: tuple[int, float]) -> ExpectedDeliveries:
    """What was published on channel ``c``: number, and when."""
    expected = ExpectedDeliveries()
    for number, moment in published:
        expected.add(Entry(number, "c", moment, moment + 0.1))
    return expected


def complaints(expected: ExpectedDeliveries, *heard: int) -> list[str]:
    expected.close(Listening("client", "c", 10.0, 20.0, list(heard)))
    return expected.complaints


def test_who_heard_all_that_was_owed_has_no_complaint() -> None:
    expected = expected_of((1, 9.0), (2, 11.0), (3, 15.0), (4, 19.95))
    assert complaints(expected, 2, 3) == []
    assert (expected.owed, expected.heard) == (2, 2)


def test_more_at_both_ends_is_no_fault() -> None:
    assert complaints(expected_of((1, 9.95), (2, 11.0), (3, 21.0)), 1, 2, 3) == []


@pytest.mark.parametrize(
    ("heard", "said"),
    [((2,), r"missed 1 of 2 messages: \[3\]"), ((2, 2, 3), "heard 2 after 2"), ((3, 2), "heard 2 after 3")],
)
def test_a_gap_a_double_and_a_swap_are_seen(heard: tuple[int, ...], said: str) -> None:
    [complaint] = complaints(expected_of((2, 11.0), (3, 15.0)), *heard)
    assert re.search(said, complaint)


@pytest.mark.alone
def test_a_short_run_passes() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.soak",
            "--minutes",
            "0.12",
            "--clients",
            "6",
            "--restart-every",
            "3",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("passed\n")
