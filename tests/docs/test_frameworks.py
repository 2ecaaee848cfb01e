"""Each framework's program runs as its page shows it, and publishes to all its open pages."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.conftest import Reader
from tests.docs.markdown import ROOT, blocks
from tests.docs.test_walkthrough import HORNET_URL, REDIS_URL
from tests.e2e.browser import Browser
from tests.e2e.javascript import NODE, install_modules
from tests.e2e.server import ServerProcess

PAGES = ROOT / "docs" / "howto" / "frameworks"
JS = Path(__file__).parent / "js"
PORT = "8000"


@dataclass(frozen=True)
class Program:
    """How a page's program is saved and started, and what it prints when it listens."""

    language: str
    file: str
    command: str
    module: str | None
    listens: str


PROGRAMS = {
    "django": Program("python", "news.py", "python", "django", "Starting development server"),
    "flask": Program("python", "news.py", "flask", "flask", "Running on"),
    "fastapi": Program("python", "news.py", "uvicorn", "uvicorn", "Uvicorn running on"),
    "express": Program("js", "news.mjs", "node", None, "Listening on"),
}


def start(name: str, reader: Reader, hornet_url: str, port: int) -> ServerProcess:
    """Save the page's program in the reader's folder and run the page's command, both with other ports."""
    program = PROGRAMS[name]
    page = PAGES / f"{name}.md"
    code = blocks(page, program.language)[0].text
    code = code.replace(REDIS_URL, reader.redis_url).replace(HORNET_URL, hornet_url).replace(PORT, str(port))
    (reader.folder / program.file).write_text(code)
    [command] = [
        block.text.strip() for block in blocks(page, "sh") if block.text.startswith(f"{program.command} ")
    ]
    if program.module is None:
        (reader.folder / "node_modules").symlink_to(install_modules(JS))
        command = command.replace("node", shlex.quote(str(NODE)), 1)
    else:
        pytest.importorskip(program.module, reason="pip install '.[frameworks]'")
        words = command.removeprefix("python ")
        command = f".venv/bin/python {words if program.command == 'python' else f'-m {words}'}"
    return reader.start(command.replace(PORT, str(port)))


def test_every_page_of_a_framework_is_in_the_list_and_every_program_runs_in_a_test() -> None:
    listed = (PAGES / "README.md").read_text(encoding="utf-8")
    names = {page.stem for page in PAGES.glob("*.md")} - {"README"}
    assert {name for name in names if f"[{name}.md]({name}.md)" in listed} == names
    # Ruby and PHP come from neither PyPI nor npm.
    assert names - {"rails", "laravel"} == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_frameworks_program_publishes_to_all_its_open_pages(
    name: str, browser: Browser, server: ServerProcess, reader: Reader, port: int
) -> None:
    start(name, reader, server.url, port).wait_for_output(PROGRAMS[name].listens)
    url = f"http://localhost:{port}/"
    writer, other = await browser.open(url), await browser.open(url)
    for page in (writer, other):
        await page.wait_for("hornet.connected")
    await writer.fill("[name=text]", "It <b>works</b>")
    await writer.click("button")
    for page in (writer, other):
        await page.wait_for("document.querySelector('#news li') !== null")
        text = await page.evaluate("document.querySelector('#news').textContent")
        assert re.fullmatch(r"guest-\w{4}: It <b>works</b>", text)
        assert page.errors == []
