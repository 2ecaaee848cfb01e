"""Pages that the browser keeps in memory when they are left, and shows again on "back"."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.conftest import Serve
from tests.e2e.server import ServerProcess

INSTALLED = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""A Chromium of the machine. The one of npm keeps no page."""

PAGE = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var log = [];
  var hornet = new Hornet({{
    uri: "{hornet}",
    channel: "{channel}",
    token: async () => (await fetch("/token", {{method: "POST"}})).text(),
    io: {{transports: ["polling"]}},
  }});
  addEventListener("pageshow", (event) => log.push("shown, kept: " + event.persisted));
  hornet.on("hornet", "connected", () => log.push("connected"));
  hornet.on("hornet", "disconnect", ({{reason}}) => log.push(reason));
  hornet.on("{channel}", "news", (message) => log.push(message.text));
  hornet.connect();
</script>
"""


@pytest.fixture
async def keeping_browser(js_modules: Path, chromium: Path) -> AsyncIterator[Browser]:
    """A browser that keeps pages in memory, where one is installed."""
    if INSTALLED is None:
        pytest.skip("no Chromium is installed")
    async with Browser(chromium, INSTALLED) as browser:
        yield browser


async def test_a_page_that_polls_receives_again_after_back(
    keeping_browser: Browser, serve_page: Serve, server: ServerProcess, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}page"
    url = await serve_page(PAGE.format(hornet=server.url, channel=channel))
    page = await keeping_browser.open(url)
    await page.wait_for("log.includes('connected')")
    await page.evaluate("setTimeout(() => location.assign('/elsewhere'), 0)")
    await page.wait_for("location.pathname === '/elsewhere' && document.readyState === 'complete'")
    await page.evaluate("setTimeout(() => history.back(), 0)")
    await page.wait_for(
        "location.pathname === '/' && log.filter((entry) => entry === 'connected').length === 2"
    )
    await backend.publish(channel, "news", text="after")
    await page.wait_for("log.includes('after')")
    assert await page.evaluate("log") == [
        "shown, kept: false",
        "connected",
        "shown, kept: true",
        "forced close",
        "connected",
        "after",
    ]


async def test_a_page_reconnects_at_once_when_the_browser_says_that_it_was_kept(
    browser: Browser, serve_page: Serve, server: ServerProcess, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}page"
    page = await browser.open(await serve_page(PAGE.format(hornet=server.url, channel=channel)))
    await page.wait_for("log.includes('connected')")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await page.wait_for("log.filter((entry) => entry === 'connected').length === 2")
    await backend.publish(channel, "news", text="after")
    await page.wait_for("log.includes('after')")
    assert (await page.evaluate("log")).count("after") == 1
