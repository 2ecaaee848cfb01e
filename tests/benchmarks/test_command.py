"""``python -m benchmarks`` measures a real Hornet and ends with a table. No time is asserted here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.install.cache import Cache
from benchmarks.results import load_results

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 90
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?")


def benchmarks(cache: Cache, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, with a cache folder of the tests' own."""
    words = [sys.executable, "-m", "benchmarks", "--cache", str(cache.folder), *options]
    return subprocess.run(
        words,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def rows(markdown: str) -> dict[str, str]:
    """The tables' lines with one peer, by title."""
    cells = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {line[0]: line[1] for line in cells if len(line) == 2}


@pytest.fixture(scope="module")
def quick(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """What a quick run printed, and the two files that it wrote."""
    folder = tmp_path_factory.mktemp("quick")
    files = ("--json", str(folder / "figures.json"), "--table", str(folder / "table.md"))
    done = benchmarks(
        cache, "--quick", "--peers", "hornet", "--scenarios", "fan-out,audience,polling", "-n", "20", *files
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("] ") >= 3, "progress was shown"
    return done.stdout, folder / "figures.json", folder / "table.md"


def test_a_quick_run_ends_with_a_figure_in_every_row(quick: tuple[str, Path, Path]) -> None:
    printed, _, _ = quick
    found = rows(printed)
    assert "**20 clients in one channel**" in printed
    for title in (
        "burst, CPU µs per delivery",
        "50 messages/s, CPU µs per delivery",
        "50 messages/s, p99 ms",
        "connections per second",
        "`only` a tenth of them, CPU µs per delivery",
        "50 messages/s over polling, p50 ms",
    ):
        assert NUMBER.fullmatch(found[title]), f"{title}: {found[title]}"


def test_no_message_is_lost_and_none_reaches_a_wrong_client(quick: tuple[str, Path, Path]) -> None:
    printed, _, _ = quick
    for line in printed.splitlines():
        if line.startswith(("| lost", "| clients that got")):
            assert line.endswith("| 0 |"), line


def test_a_quick_run_measures_history_and_recovery_and_loses_nothing(cache: Cache) -> None:
    done = benchmarks(
        cache, "--quick", "--peers", "hornet", "--scenarios", "recorded,offsets,storm", "-n", "20"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(done.stdout)
    for title in ("ratio in Redis, burst", "ratio of the burst", "node killed: commands in Redis per client"):
        assert NUMBER.fullmatch(found[title]), f"{title}: {found[title]}"
    assert found["lost by bystanders"] == "0"
    assert "**20 clients come back to another node**" in done.stdout


def test_the_table_names_the_day_the_machine_and_the_versions(quick: tuple[str, Path, Path]) -> None:
    printed, _, _ = quick
    assert re.search(r"^- \d{4}-\d\d-\d\d\. \d+ cores?, .+Linux \d", printed, re.MULTILINE)
    assert re.search(r"^- Hornet: \d+\.\d+.*Python 3\.", printed, re.MULTILINE)


def test_the_table_is_written_and_can_be_printed_again_from_the_figures(
    quick: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    printed, figures, table = quick
    assert table.read_text() == printed
    assert main(["--show", str(figures)]) == 0
    assert capsys.readouterr().out == printed
    assert {run.scenario for run in load_results(figures).runs} == {"fan-out", "audience", "polling"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--peers", "hornet,nobody"], "There is no peer 'nobody'"),
        (["--scenarios", "nothing"], "There is no scenario 'nothing'"),
        (["--show", "/nowhere.json"], "/nowhere.json can't be read"),
    ],
)
def test_a_wrong_option_is_answered_with_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*options, "--cache", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err
