"""The garbage collector during the life of an engine."""

import gc
from collections.abc import Iterator

import pytest

from hornet.engine.gc_tuning import THRESHOLDS, GcTuning


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.freeze()  # as tests/conftest.py has it


def test_the_garbage_collector_is_tuned_from_start_to_stop() -> None:
    before = gc.get_threshold()
    gc.unfreeze()
    tuning = GcTuning()
    tuning.start()
    tuning.start()
    assert gc.get_threshold() == THRESHOLDS != before
    assert gc.get_freeze_count() > 10_000
    tuning.stop()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_tuning_that_was_not_started_changes_nothing() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    GcTuning().stop()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
