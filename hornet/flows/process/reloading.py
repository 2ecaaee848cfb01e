"""Reading the configuration again while the node runs: at a signal, or when the API is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hornet.core.errors import SetupError

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Names of options: those whose new value applies now, and those that differ but need a restart."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


class Reloading(Generic[C]):
    """Reads a configuration ``C`` again and applies it, one reading at a time."""

    def __init__(self, apply: Callable[[C], Outcome], load: Callable[[], C] | None) -> None:
        """``load`` reads the configuration. It runs in a thread, since it may read files."""
        self._apply = apply
        self._load = load
        self._lock = asyncio.Lock()

    async def run(self) -> Outcome:
        """Read the configuration and apply it.

        Raises:
            SetupError: the configuration is wrong, or there is nothing to read; nothing has changed.
        """
        if self._load is None:
            raise SetupError("The program that started this node gave it its configuration, and no file.")
        async with self._lock:
            return self._apply(await asyncio.to_thread(self._load))
