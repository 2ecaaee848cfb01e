"""The publisher's process, as the environment of a run sees it."""

from __future__ import annotations

import subprocess

from benchmarks.errors import RunFailed

LAST_OUTPUT_CHARS = 500
"""How much of a program's output an error quotes, from its end."""

GRACE_S = 10.0
"""How much longer than its own deadline a process may take to report."""


class Publishing:
    """A publisher at work. Made by :meth:`Environment.publishing`."""

    def __init__(self, process: subprocess.Popen[bytes], deadline_s: float) -> None:
        self._process = process
        self._deadline_s = deadline_s

    def check(self) -> None:
        """Do nothing while the publisher works, or has published everything.

        Raises:
            RunFailed: it ended early; the message quotes what it complained of.
        """
        if self._process.poll():
            assert self._process.stderr is not None
            end = self._process.stderr.read().decode(errors="replace").strip()[-LAST_OUTPUT_CHARS:]
            raise RunFailed(f"the publisher ended early: {end}")

    def wait(self) -> int:
        """Wait until everything is published; return how much that was.

        Raises:
            RunFailed: the publisher ended early.
        """
        assert self._process.stdout is not None
        try:
            self._process.wait(self._deadline_s)
        except subprocess.TimeoutExpired:
            raise RunFailed("the publisher did not end in time") from None
        self.check()
        return int(self._process.stdout.read())

    def stop(self) -> int:
        """End a publisher at a rate; return how many messages it has published."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.wait()
