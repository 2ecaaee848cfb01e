"""``python -m benchmarks.continuity`` runs stock clients through faults, and judges what they received."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.continuity.__main__ import main
from tests.docs.markdown import ROOT
from tests.e2e.node_client import ALIAS, LATEST

DEADLINE_S = 240


@pytest.mark.alone
def test_a_short_run_passes_with_every_number_once_and_in_order(js_modules: Path, node: Path) -> None:
    place = ("--node", str(node), "--modules", str(js_modules.parent), "--module", f"{ALIAS}{LATEST}")
    small = ("--minutes", "0.05", "--clients", "6", "--nodes", "2", "--rate", "60", "--seed", "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.continuity", *place, *small, "--faults", "cut,subscription"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("passed\n")
    names, *lines = [line.split() for line in done.stdout.splitlines() if re.match(r"\w* +\w+ +\w+ +", line)][
        :5
    ]
    counts = {line[0]: dict(zip(names, line[1:], strict=True)) for line in lines}
    assert int(counts["cut"]["received"].replace(",", "")) > 0
    assert {row["lost"] + row["doubled"] + row["disordered"] for row in counts.values()} == {"000"}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [("--faults", "there are no faults earthquake"), ("--forms", "there are no forms earthquake")],
)
def test_a_fault_or_form_that_does_not_exist_is_answered_with_those_that_do(
    option: str, sentence: str
) -> None:
    with pytest.raises(SystemExit, match=sentence):
        main([option, "earthquake"])
