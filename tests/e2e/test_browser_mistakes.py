"""What the developer of a page sees in the browser's console when something is wrong with it."""

from typing import Any

import pytest

from hornet.connector import AsyncConnector
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.conftest import Serve
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually

PAGE = """
<script src="{hornet}/hornet/hornet.js"></script>
<script>
  var got = [];
  var hornet = new Hornet({options});
  hornet.on("{channel}", "news", (message) => got.push(message.text));
  hornet.connect();
</script>
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("channels: '@channel@', token: 'nosuchtok'", ["INVALID_TOKEN", "channels: @channel@"]),
        ("channels: ['@channel@', 'more'], token: '@token@'", ["WRONG_TOKEN_ASSOCIATION", "channels: more"]),
        ("channels: '@channel@'", ["WRONG_PARAMETERS", "'token' is missing"]),
        ("channels: '@channel@', token: () => fetch('/broken', {method: 'POST'}).then((it) => it.text())",
         ["TOKEN_UNAVAILABLE", "500: Internal Server Error", "is no token"]),
        ("url: '@hornet@', channels: '@channel@', token: '@token@'", ['no option "url"; did you mean "uri"']),
    ],
    ids=["bad-token", "wrong-channel", "no-token", "broken-endpoint", "wrong-option"],
)  # fmt: skip
async def test_a_page_that_may_not_in_says_so_in_the_console(
    browser: Browser,
    serve_page: Serve,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    options: str,
    expected: list[str],
) -> None:
    channel = f"{prefix}page"
    names = {"@channel@": channel, "@token@": await backend.token(channel), "@hornet@": server.url}

    def fill(text: str) -> str:
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    given = options if options.startswith("url:") else f"uri: '@hornet@', {options}"
    text = PAGE.format(hornet=server.url, channel=channel, options=fill(f"{{{given}}}"))
    page = await browser.open(await serve_page(text))

    async def is_printed() -> bool:
        printed = "\n".join([*page.errors, *page.console])
        return all(part in printed for part in map(fill, expected))

    await eventually(is_printed, True)


async def test_a_token_with_a_line_break_behind_it_lets_the_page_in(
    browser: Browser, serve_page: Serve, server: ServerProcess, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}page"
    options = f"{{uri: '{server.url}', channels: '{channel}', token: '{await backend.token(channel)}\\n'}}"
    page = await browser.open(
        await serve_page(PAGE.format(hornet=server.url, channel=channel, options=options))
    )
    await page.wait_for("hornet.connected")
    assert page.errors == []


async def test_a_page_may_subscribe_to_hundreds_of_channels_at_once(
    browser: Browser, serve_page: Serve, start_server: StartServer, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}page"
    server = start_server("--public-channels", f"{prefix}*")
    options = f"{{uri: '{server.url}', channels: '{channel}', token: '{await backend.token(channel)}'}}"
    page = await browser.open(
        await serve_page(PAGE.format(hornet=server.url, channel=channel, options=options))
    )
    await page.wait_for("hornet.connected")
    script = f"""(async () => {{
      const names = Array.from({{ length: 300 }}, (_, number) => "{prefix}" + number);
      await Promise.all(names.map((name) => hornet.subscribe(name)));
      const left = await Promise.all(names.slice(100).map((name) => hornet.unsubscribe(name)));
      return [left.length, hornet.connected];
    }})()"""
    answer: Any = await page.evaluate(script)
    assert answer == [200, True]
    assert page.errors == [], "no TOO_MANY_EVENTS"
    assert await backend.listeners(f"{prefix}7") == 1
    await eventually(lambda: backend.listeners(f"{prefix}299"), 0)


async def test_a_page_gets_the_notifications_of_its_user(
    browser: Browser, serve_page: Serve, server: ServerProcess, valkey: Valkey, prefix: str
) -> None:
    channel = f"{prefix}page"
    async with AsyncConnector(valkey.url) as connector:
        token = await connector.create_access_token(channel, user=f"{prefix}ana")
    options = f"{{uri: '{server.url}', channels: '{channel}', token: '{token}'}}"
    text = PAGE.format(hornet=server.url, channel=channel, options=options)
    script = "<script>hornet.onNotification('order paid', ({ order }) => got.push(order));</script>"
    page = await browser.open(await serve_page(text + script))
    await page.wait_for("hornet.connected")
    async with AsyncConnector(valkey.url) as connector:
        assert await connector.notify(f"{prefix}ana", "order paid", {"order": 7}) == 1
    await page.wait_for("got.length === 1")
    assert await page.evaluate("got") == [7]
