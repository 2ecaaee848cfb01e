"""Reading the configuration again while the node runs, whoever asks for it: a signal, or the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hornet.core.errors import SetupError

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Names of options: those that hold from now on, and those that differ but need a restart."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


class Reloading(Generic[C]):
    """Has the node follow a configuration ``C`` that is read again, one reading at a time."""

    def __init__(self, follow: Callable[[C], Outcome]) -> None:
        self._follow = follow
        self._lock = asyncio.Lock()
        self.load: Callable[[], C] | None = None
        """Reads the configuration; set by who runs the node. It may read files: it runs in a thread."""

    async def run(self) -> Outcome:
        """Read it and follow it.

        Raises:
            SetupError: it is wrong, or there is nothing to read; nothing has changed.
        """
        if self.load is None:
            raise SetupError("The program that started this node gave it its configuration, and no file.")
        async with self._lock:
            return self._follow(await asyncio.to_thread(self.load))
