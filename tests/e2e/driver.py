"""A Node program that a test drives over its standard input and output, with one JSON value in each line."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.javascript import NODE, node_environment
from tests.e2e.waiting import DEADLINE_S

JS = Path(__file__).parent / "js"
REQUEST_DEADLINE_S = 2 * DEADLINE_S
LINE_MAX_BYTES = 64 * 1024 * 1024


class DriverError(AssertionError):
    """The program refused a request. The text is its JavaScript stack."""


class Driver:
    """A program that runs for the length of ``async with``, or until this process dies and its input ends."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = (str(NODE), str(JS / script), *arguments)
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        self._process: Process
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, env=node_environment(), limit=LINE_MAX_BYTES
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            output = json.loads(line)
            if "report" in output:
                for listener in self._listeners:
                    listener(output)
            elif (answer := self._waiting.pop(output["id"])) and not answer.done():
                if "error" in output:
                    answer.set_exception(DriverError(output["error"]))
                else:
                    answer.set_result(output["value"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(DriverError(f"{self._command[1]} ended"))

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` with each report from now on."""
        self._listeners.append(listener)

    async def request(self, command: str, **arguments: Any) -> Any:
        """Have the program run a command, and return its value.

        Raises:
            DriverError: the command failed.
            TimeoutError: no answer came in time.
        """
        assert self._process.stdin is not None
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(
            json.dumps({"id": number, "command": command, **arguments}).encode() + b"\n"
        )
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            await self._process.stdin.drain()
            return await answer


class Driven:
    """The things that a program holds for a test during ``async with``. They end with the program."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._driver = Driver(script, *arguments)
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        await self._driver.__aenter__()
        self._driver.listen(self._report)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._driver.__aexit__(kind, error, trace)

    def _report(self, report: dict[str, Any]) -> None:
        """Take a report of the program about one of its things."""
        raise NotImplementedError
