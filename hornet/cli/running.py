"""How a command ends: its exit code, one sentence for each failure, and a quiet end on Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""The exit code that a shell expects of a program ended by Ctrl-C: 128 plus the number of the signal."""


def run_politely(command: Callable[[], int]) -> int:
    """Run a command. Ctrl-C, or a reader that has gone (``| head -1``), ends it without a message."""
    try:
        code = command()
    except SystemExit as leaving:  # how argparse ends after --help, --version and a wrong option
        code = leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        code = 0
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def complain(program: str, problem: object) -> None:
    """Print one sentence about a failure on standard error."""
    print(f"{program}: {problem}", file=sys.stderr)
