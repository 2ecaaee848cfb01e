"""The distributions, built once from what git has."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

from tests.deploy.dockerfile import Dockerfile

ROOT = Path(__file__).parents[2]
IMAGE = Dockerfile(ROOT / "deploy" / "Dockerfile")
PIP_DEADLINE_S = 600


def call(*words: str | Path, cwd: Path, **env: str) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(
        words,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PIP_DEADLINE_S,
        env=os.environ | env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout without anything that git ignores."""
    copy = tmp_path_factory.mktemp("source")
    names = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    call(sys.executable, "-m", "build", "--sdist", "--outdir", folder, source, cwd=folder)
    [built] = folder.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        archive.extractall(folder, filter="data")
    return folder / built.name.removesuffix(".tar.gz")


def build_wheel(sdist: Path, folder: Path, **env: str) -> Path:
    """Build the wheel from a copy of the source distribution, as a packager does."""
    copy = shutil.copytree(sdist, folder / "source")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, copy, cwd=folder, **env)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def compiled_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it comes out where there is a C compiler."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    built = build_wheel(sdist, tmp_path_factory.mktemp("compiled"))
    assert not built.stem.endswith("-py3-none-any")
    return built


@pytest.fixture(scope="session")
def plain_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it comes out where there is none."""
    built = build_wheel(sdist, tmp_path_factory.mktemp("plain"), CC="false")
    assert built.stem.endswith("-py3-none-any")
    return built


@pytest.fixture(scope="session")
def image(plain_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment in which the first command of the image's ``RUN`` was run.

    The others clear away and make the user. The base image has no compiler.
    """
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder, with_pip=True)
    [run] = IMAGE.all("RUN")
    install = run.split(" && ")[0].replace("/wheels", str(plain_wheel.parent))
    install = install.replace("/requirements.txt", str(ROOT / "deploy" / "requirements.txt"))
    search = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    call("sh", "-euc", install.replace("--no-cache-dir ", ""), cwd=folder, PATH=search)
    return folder / "bin"
