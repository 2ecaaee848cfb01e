"""The benchmarks' C programs, compiled once for a run of the tests."""

import platform
from pathlib import Path

import pytest

from benchmarks.errors import Unavailable
from benchmarks.install.cache import Cache
from benchmarks.install.compiled import compiler, load_generator


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Make an empty cache folder for this run; skip where the machine can't fill it."""
    if platform.system() != "Linux":
        pytest.skip("the benchmarks need Linux")
    try:
        compiler()
    except Unavailable as error:
        pytest.skip(str(error))
    return Cache(tmp_path_factory.mktemp("benchmarks"), print)


@pytest.fixture(scope="session")
def load_program(cache: Cache) -> Path:
    """Compile the load generator."""
    return load_generator(cache)
