"""The verdict of a soak run sees missing, doubled and swapped messages."""

import re
import subprocess
import sys

import pytest

from benchmarks.soak.expected_deliveries import ExpectedDeliveries, Published, Stay
from tests.docs.markdown import ROOT


def expected_of(*published: tuple[int, float]) -> ExpectedDeliveries:
    """Return expectations for messages on channel ``c``, each given as its number and its time."""
    expected = ExpectedDeliveries()
    for number, moment in published:
        expected.add(Published(number, "c", moment, moment + 0.1))
    return expected


def complaints(expected: ExpectedDeliveries, *received: int) -> list[str]:
    expected.check(Stay("client", "c", 10.0, 20.0, list(received)))
    return expected.complaints


def test_a_client_that_received_all_it_was_owed_has_no_complaint() -> None:
    expected = expected_of((1, 9.0), (2, 11.0), (3, 15.0), (4, 19.95))
    assert complaints(expected, 2, 3) == []
    assert (expected.owed, expected.received) == (2, 2)


def test_more_messages_at_both_ends_of_a_stay_are_no_fault() -> None:
    assert complaints(expected_of((1, 9.95), (2, 11.0), (3, 21.0)), 1, 2, 3) == []


@pytest.mark.parametrize(
    ("received", "complaint"),
    [
        ((2,), r"missed 1 of 2 messages: \[3\]"),
        ((2, 2, 3), "received 2 after 2"),
        ((3, 2), "received 2 after 3"),
    ],
)
def test_a_gap_a_double_and_a_swap_are_seen(received: tuple[int, ...], complaint: str) -> None:
    [made] = complaints(expected_of((2, 11.0), (3, 15.0)), *received)
    assert re.search(complaint, made)


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
