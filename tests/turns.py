"""Turns of processes: tests run beside tests of other processes, except those that no other test may disturb.

There are two locks. They are held on files of this checkout, so they hold for every process that tests it.
``_ROOM`` is shared by all tests that run now, or held by a test that runs alone. Each test takes ``_DOOR`` on
its way in. A test that waits until the room is empty keeps it meanwhile, so no other test gets in first.
"""

import fcntl
from pathlib import Path
from typing import IO

_DOOR = Path(__file__)
_ROOM = _DOOR.with_name("conftest.py")


class Turns:
    """The turns of one process."""

    def __init__(self) -> None:
        self._room: IO[str] | None = None

    def begin(self, *, alone: bool) -> None:
        """Wait until this process may run a test: beside tests that are not ``alone``, or alone."""
        if self._room is None:
            self._room = _ROOM.open()
            with _DOOR.open() as door:
                fcntl.flock(door, fcntl.LOCK_EX)
                fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def end(self) -> None:
        """Let tests of other processes begin. Not called before a further test that is ``alone``."""
        if self._room is not None:
            fcntl.flock(self._room, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open
            self._room.close()
            self._room = None
