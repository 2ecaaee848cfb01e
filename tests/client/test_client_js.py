"""hornet.js builds from a clean checkout, passes its own tests, and is the one that the package ships."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from hornet._version import __version__
from tests.e2e.javascript import NODE, NPM, node_environment

CLIENT = Path(__file__).parents[2] / "client-js"
NPM_DEADLINE_S = 300


def run_npm(*words: str, cwd: Path) -> None:
    """Run npm, which must succeed; otherwise the test fails with what it printed."""
    done = subprocess.run(
        [*NPM, *words],
        cwd=cwd,
        env=node_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=NPM_DEADLINE_S,
    )
    assert done.returncode == 0, f"npm {' '.join(words)} failed:\n{done.stdout}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of ``client-js/`` with its packages installed and ``dist/`` built. Nobody else works in it."""
    copy = tmp_path_factory.mktemp("client") / "client-js"
    made_here = shutil.ignore_patterns("node_modules", "dist", ".test-build-*")
    shutil.copytree(CLIENT, copy, ignore=made_here)
    run_npm("ci", "--no-audit", "--no-fund", cwd=copy)
    run_npm("run", "build", cwd=copy)
    return copy


def test_the_client_passes_its_own_tests(built: Path) -> None:
    run_npm("test", cwd=built)


@pytest.mark.parametrize("name", ["hornet.js", "socket.io.js"])
def test_the_package_ships_what_the_sources_build(built: Path, name: str) -> None:
    shipped = files("hornet") / "web" / "static" / name
    advice = "refresh it with: pip install --no-deps -e ."
    assert shipped.is_file(), f"{name} is missing from the package, {advice}"
    assert shipped.read_bytes() == (built / "dist" / name).read_bytes(), f"{name} is stale, {advice}"


BUILD = ("--prefix", "../hornet/client-js", "ci", "--no-audit", "--no-fund")
INSTALL = ("install", "--no-audit", "--no-fund", "../hornet/client-js")


@pytest.mark.parametrize(
    "commands",
    [(INSTALL,), (BUILD, (*INSTALL, "--ignore-scripts"))],
    ids=["npm-runs-scripts", "npm-runs-no-scripts-of-packages"],
)
def test_the_package_can_be_installed_from_a_clone(tmp_path: Path, commands: Sequence[Sequence[str]]) -> None:
    made_here = shutil.ignore_patterns("node_modules", "dist", ".test-build-*")
    shutil.copytree(CLIENT, tmp_path / "hornet" / "client-js", ignore=made_here)
    application = tmp_path / "application"
    application.mkdir()
    (application / "package.json").write_text('{"name": "application", "private": true}')
    for words in commands:
        run_npm(*words, cwd=application)
    required = "typeof require('hornet-client').Hornet"
    script = f"import('hornet-client').then(({{ Hornet }}) => console.log({required}, Hornet.name))"
    done = subprocess.run(
        [NODE, "-e", script], cwd=application, capture_output=True, text=True, timeout=NPM_DEADLINE_S
    )
    assert done.stdout == "function Hornet\n", done.stderr


def test_the_published_files_are_those_that_the_exports_name(built: Path) -> None:
    package = json.loads((built / "package.json").read_text())
    modules = package["exports"]["."]
    named = [path for module in modules.values() for path in module.values()]
    named += [package[field] for field in ("main", "module", "types", "unpkg", "jsdelivr")]
    assert [path for path in named if not (built / path).is_file()] == []


def test_the_client_has_the_version_of_the_server() -> None:
    assert json.loads((CLIENT / "package.json").read_text())["version"] == __version__


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (CLIENT / "package-lock.json").read_text()
