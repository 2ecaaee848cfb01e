"""The benchmark of a crowd with presence runs against a real node, and its figures grow with the crowd."""

import sys

import pytest

from benchmarks import presence_join

pytestmark = pytest.mark.alone


def test_a_small_run_prints_a_line_for_each_crowd(capsys: pytest.CaptureFixture[str]) -> None:
    assert presence_join.main(["--members", "20,80", "--runs", "1"]) == 0
    small, large = (line.split("|") for line in capsys.readouterr().out.splitlines()[2:])
    assert (small[1].strip(), large[1].strip()) == ("20", "80")
    assert all(float(figure) >= 0 for figure in (*small[3:7], *large[3:7]))


def test_a_crowd_of_twice_the_size_gets_twice_the_bytes() -> None:
    """Not four times: of a crowd, as many members are listed to each as in a smaller one."""
    options = {"max-listed-members": 20}
    small, large = (presence_join.measure(sys.executable, size, options) for size in (100, 200))
    assert large.received_bytes < 2.6 * small.received_bytes
