"""Every module of Hornet can be imported first, whatever the order: there are no cycles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "hornet").rglob("*.py")
    if path.name != "__main__.py"
)

IMPORT_EACH = """
import importlib, json, sys, traceback

def failure(name):
    for loaded in [one for one in sys.modules if one.partition(".")[0] == "hornet"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        return traceback.format_exc()

print(json.dumps({name: failure(name) for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def failures() -> dict[str, str | None]:
    """The traceback, if any, of each module that is imported while none of the others is.

    One interpreter does it for all: what they import of other packages stays, and is loaded once.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH, *MODULES],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_alone(module: str, failures: dict[str, str | None]) -> None:
    assert failures[module] is None, failures[module]
