"""Any bytes fed to a parser yield only the errors that it documents; and no parser is forgotten."""

import importlib
import inspect
import logging
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hornet
from tests.fuzz.guided import missing_reason
from tests.fuzz.targets import EXEMPT, TARGETS, Target

PREFIXES = ("parse_", "load_", "take_", "read_")
COVERED = {parser for target in TARGETS for parser in target.parsers}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is dropped is logged, here a thousand times."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@given(data=st.binary(max_size=300))
def test_only_documented_errors_come_out(target: Target, data: bytes) -> None:
    target.feed(data)


def test_every_parser_is_a_target() -> None:
    missing = []
    for module in pkgutil.walk_packages(hornet.__path__, "hornet."):
        if module.name.endswith("__main__"):
            continue
        for name, found in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if found.__module__ == module.name and name.startswith(PREFIXES) and name not in EXEMPT:
                missing += [f"{module.name}.{name}"] if found not in COVERED else []
    assert missing == [], "add them to tests/fuzz/targets.py"


def test_what_is_exempt_exists() -> None:
    names = {
        name
        for module in pkgutil.walk_packages(hornet.__path__, "hornet.")
        if not module.name.endswith("__main__")
        for name in vars(importlib.import_module(module.name))
    }
    assert EXEMPT.keys() <= names


def test_the_guided_search_runs() -> None:
    if reason := missing_reason():
        pytest.skip(reason)
    command = [sys.executable, "-m", "tests.fuzz.guided", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing found" in done.stdout
