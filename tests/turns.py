"""Whose turn it is: tests run beside those of other processes, but for the ones that need the machine alone.

Two locks, held on files of this checkout, so that they hold for every process that tests it: ``_ROOM`` is
shared by the tests that run now, or one's alone; ``_DOOR`` is passed by each on its way in, and kept by one
that waits for the room to be empty, so that nobody else gets in before it.
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
        """Wait until this process may run a test: beside others that are not ``alone``, or alone."""
        if self._room is None:
            self._room = _ROOM.open()
            with _DOOR.open() as door:
                fcntl.flock(door, fcntl.LOCK_EX)
                fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def end(self) -> None:
        """Let others begin. A process that stays alone for its next test does not call it."""
        if self._room is not None:
            fcntl.flock(self._room, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open
            self._room.close()
            self._room = None
