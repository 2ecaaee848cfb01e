"""A library that asks for a symbol version can be relieved of it, and still loads."""

import ctypes
import shutil
from pathlib import Path

import pytest

from benchmarks.install.cache import Cache
from benchmarks.install.compiled import glibc_shim
from benchmarks.install.glibc import NEEDED_VERSION, WEAK, weaken_version


@pytest.fixture
def library(cache: Cache, tmp_path: Path) -> Path:
    copy = tmp_path / "library.so"
    shutil.copyfile(glibc_shim(cache), copy)
    return copy


def test_every_need_of_the_version_is_marked_and_nothing_else(library: Path) -> None:
    before = library.read_bytes()
    version = next(v for v in ("GLIBC_2.2.5", "GLIBC_2.17") if v.encode() in before)
    assert weaken_version(library, version) == 1
    after = library.read_bytes()
    changed = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert len(changed) == 1
    assert after[changed[0]] ^ before[changed[0]] == WEAK
    assert NEEDED_VERSION.unpack_from(after, changed[0] - 4)[1] & WEAK


def test_the_relieved_library_still_loads_and_works(library: Path) -> None:
    weaken_version(library, "GLIBC_2.2.5")
    assert ctypes.CDLL(str(library))["__isoc23_strtol"](b"42", None, 10) == 42


def test_a_version_that_is_not_needed_changes_nothing(library: Path) -> None:
    before = library.read_bytes()
    assert weaken_version(library, "GLIBC_9.99") == 0
    assert library.read_bytes() == before
