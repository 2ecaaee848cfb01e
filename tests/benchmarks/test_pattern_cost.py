"""The benchmark of pattern subscriptions runs, with the globs of a real node."""

import pytest

from benchmarks import pattern_cost
from hornet.flows.channels.patterns import EXACT_GLOBS


def test_a_small_run_prints_a_line_for_each_kind_and_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert pattern_cost.main(["--patterns", "100", "--publishes", "500"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(pattern_cost.WIRE_FORMATS) * len(pattern_cost.TOPICS)
    for line in lines[2:]:
        assert all(float(figure) >= 0 for figure in line.split()[-4:])


def test_the_globs_are_those_that_a_node_subscribes_to() -> None:
    for make in pattern_cost.WIRE_FORMATS.values():
        globs = pattern_cost.choose_globs([make(number) for number in range(1000)])
        assert EXACT_GLOBS <= len(globs) <= EXACT_GLOBS + 2
