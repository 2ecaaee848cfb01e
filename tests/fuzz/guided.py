"""Searches for bytes that break a parser, guided by the code that they reach (atheris, on libFuzzer).

    python -m tests.fuzz.guided --seconds 60
    python -m tests.fuzz.guided --seconds 600 --target core.messages.parse_publish --corpus found/
    python -m tests.fuzz.guided --replay crash-0123...

Without ``--target`` the first byte chooses the parser, so that all share the time. What was found is written
to a file, whose name is printed, and the exit code is 1. atheris has no wheel for each Python: where it is
not installed, this says so and ends with 2.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

MAX_LEN = 2048
IN_CHILD = "HORNET_FUZZ_CHILD"


def missing_reason() -> str:
    """Why the search can't run here; "" if it can."""
    if importlib.util.find_spec("atheris") is None:
        return "atheris is not installed: pip install atheris (it has no wheel for each Python)"
    return ""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--target", default="", help="only this parser; `list` names all")
    parser.add_argument("--corpus", type=Path, help="a folder: what reached new code is kept there")
    parser.add_argument("--replay", type=Path, help="a file that was found before")
    options = parser.parse_args(argv)
    if options.target == "list":
        print("\n".join(target.name for target in _targets(instrumented=False)))
        return 0
    if options.replay:
        _feed(_targets(instrumented=False), options.target, options.replay.read_bytes())
        print("It passes")
        return 0
    if reason := missing_reason():
        print(reason)
        return 2
    if IN_CHILD in os.environ:
        _search(options)
    return _supervise(argv)


def _supervise(argv: list[str]) -> int:
    """Run the search in a process of its own, which libFuzzer ends as it likes; show what matters."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "tests.fuzz.guided", *argv]
        environment = {**os.environ, IN_CHILD: scratch}
        done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
        found = list(Path(scratch).glob("*-*"))
        for one in found:
            kept = Path.cwd() / one.name
            kept.write_bytes(one.read_bytes())
            print(f"Found, replay with: python -m tests.fuzz.guided --replay {kept.name}")
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("INFO: Inst", "WARNING:"))]
    if done.returncode or found:
        print("\n".join(lines[-60:]))
        return 1
    print(lines[-1] if lines else "")
    print("Nothing found")
    return 0


def _search(options: argparse.Namespace) -> None:
    """Does not return."""
    atheris: Any = importlib.import_module("atheris")
    targets = _targets(instrumented=True)
    logging.disable()

    def feed(data: bytes) -> None:
        _feed(targets, options.target, data)

    scratch = os.environ[IN_CHILD]
    flags = [
        f"-max_total_time={options.seconds}",
        f"-max_len={MAX_LEN}",
        f"-artifact_prefix={scratch}/",
        "-timeout=10",
    ]
    if options.corpus:
        options.corpus.mkdir(parents=True, exist_ok=True)
        flags.append(str(options.corpus))
    atheris.Setup([sys.argv[0], *flags], feed)
    atheris.Fuzz()


def _targets(*, instrumented: bool) -> tuple[Target, ...]:
    """The table; ``instrumented``, our modules tell which of their code runs."""
    watching: Any = contextlib.nullcontext()
    if instrumented:
        atheris: Any = importlib.import_module("atheris")
        watching = atheris.instrument_imports(include=["hornet"])
    with watching:
        found: tuple[Target, ...] = importlib.import_module("tests.fuzz.targets").TARGETS
    return found


def _feed(targets: tuple[Target, ...], name: str, data: bytes) -> None:
    if name:
        [target] = [one for one in targets if one.name == name][:1]
        target.feed(data)
    elif data:
        targets[data[0] % len(targets)].feed(data[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
