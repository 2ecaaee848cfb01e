"""A peer that fails is reported, and the other peers are measured."""

import os
import sys
from collections.abc import Callable

import pytest

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.install.cache import Cache
from benchmarks.peers import PEERS, Peer, Program
from benchmarks.plan import QUICK
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.suite import measure


def measured(cache: Cache, *peers: Peer) -> Results:
    return measure([SCENARIOS["fan-out"]], peers, QUICK, cache, print)


def peer(name: str, install: Callable[[Cache], Program]) -> Peer:
    """Return a peer of that name with another installation."""
    return Peer(name, PEERS[name].title, install, socketio=False)


def unavailable(cache: Cache) -> Program:
    raise Unavailable("There is none for this platform.")


def failing(cache: Cache) -> Program:
    return Program((sys.executable, "-c", "raise SystemExit('no port, no server')"), "0")


def test_a_peer_that_cannot_be_installed_is_left_out_with_its_reason(cache: Cache) -> None:
    results = measured(cache, peer("bun", unavailable), PEERS["limit-c"])
    assert results.left_out == {"bun": "There is none for this platform."}
    assert [(run.peer, run.error) for run in results.runs] == [("limit-c", "")]


def test_a_peer_that_does_not_start_fails_with_the_end_of_its_output(cache: Cache) -> None:
    results = measured(cache, peer("bun", failing), PEERS["limit-c"])
    errors = {run.peer: run.error for run in results.runs}
    assert "no port, no server" in errors["bun"]
    assert errors["limit-c"] == ""


def test_without_any_peer_there_is_nothing_to_measure(cache: Cache) -> None:
    with pytest.raises(BenchmarkError, match="No peer"):
        measured(cache, peer("bun", unavailable))


def test_the_process_gets_its_cores_back(cache: Cache) -> None:
    before = os.sched_getaffinity(0)
    measured(cache, peer("bun", failing))
    assert os.sched_getaffinity(0) == before
