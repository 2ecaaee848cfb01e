"""Every module of Hornet can be imported first, so there are no cycles."""

import json
import subprocess
import sys
from pathlib import Path

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


def test_each_module_imports_alone() -> None:
    """One interpreter imports all, and forgets Hornet's modules in between. Other packages are loaded once.

    One test does it for all: shared out among processes, each of them would import every module.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH, *MODULES],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    failures = {module: failure for module, failure in json.loads(done.stdout).items() if failure is not None}
    assert not failures, "\n".join(failures.values())
