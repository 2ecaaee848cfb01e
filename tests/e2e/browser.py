"""Pages in a real headless Chromium. It comes from npm; no browser of the machine is used."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.driver import JS, Driven
from tests.e2e.javascript import NODE, locked, node_environment
from tests.e2e.waiting import DEADLINE_S

UNPACK_DEADLINE_S = 120


def unpack_chromium(modules: Path) -> Path:
    """Return the folder with Chromium, its libraries and fonts, unpacked once for this installation."""
    folder = modules / ".chromium"
    with locked(JS / "package-lock.json"):
        if not folder.exists():
            fresh = modules / ".chromium-fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            subprocess.run(
                [NODE, JS / "unpack-chromium.mjs", fresh],
                env=node_environment(),
                stdin=subprocess.DEVNULL,
                timeout=UNPACK_DEADLINE_S,
                check=True,
            )
            fresh.rename(folder)
    return folder


class Page:
    """One tab. Made by ``Browser.open``."""

    def __init__(self, request: Callable[..., Any], number: int) -> None:
        self._request = request
        self._number = number
        self.errors: list[str] = []
        self.console: list[str] = []

    async def evaluate(self, script: str) -> Any:
        """Run an expression in the page, and return its value. A promise is awaited."""
        return await self._request("evaluate", page=self._number, script=script)

    async def wait_for(self, condition: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the expression is true in the page.

        Raises:
            DriverError: the expression did not become true in time.
        """
        await self._request("wait", page=self._number, condition=condition, deadline_ms=deadline_s * 1000)

    async def click(self, selector: str) -> None:
        await self._request("click", page=self._number, selector=selector)

    async def fill(self, selector: str, text: str) -> None:
        await self._request("fill", page=self._number, selector=selector, text=text)

    async def screenshot(self, path: Path) -> None:
        await self._request("screenshot", page=self._number, path=str(path))

    async def close(self) -> None:
        await self._request("close", page=self._number)


class Browser(Driven):
    """A Chromium process that runs for the length of ``async with``: the one of npm, or ``installed``."""

    def __init__(self, folder: Path, installed: str | None = None) -> None:
        super().__init__("browser.mjs", str(folder), *([installed] if installed else []))
        self._pages: dict[int, Page] = {}

    def _report(self, report: dict[str, Any]) -> None:
        page = self._pages[report["page"]]
        (page.errors if report["report"] == "error" else page.console).append(report["text"])

    async def open(self, url: str, *, width: int = 1280, height: int = 800) -> Page:
        """Open a tab of that size in CSS pixels, and return once the page has loaded."""
        number = next(self._numbers)
        page = self._pages[number] = Page(self._driver.request, number)
        await self._driver.request("open", page=number, url=url, width=width, height=height)
        return page
