"""The pages about React and the stock client: their code runs as it stands, but for addresses."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from tests.conftest import StartServer, Valkey
from tests.docs.markdown import ROOT, blocks
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.javascript import NODE, node_environment
from tests.e2e.server import ServerProcess, free_port
from tests.e2e.waiting import DEADLINE_S, eventually

HOWTO = ROOT / "docs" / "howto"
PUSH_URL = "https://push.example.com"

HORNET_OF_THE_PAGE = "export const { Hornet } = globalThis;"
REACT_PAGE = """
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Headlines } from "./headlines.js";

function Page() {
  const [channel, setChannel] = useState(FIRST);
  window.show = setChannel;
  return channel && <Headlines channel={channel} />;
}
createRoot(document.getElementById("root")).render(<StrictMode><Page /></StrictMode>);
"""


@pytest.fixture
async def token_url(backend: Backend) -> AsyncIterator[str]:
    """The address at which a web application makes tokens for the channel ``news``."""
    app = web.Application()

    async def token(_: web.Request) -> web.Response:
        return web.Response(text=await backend.token("news"))

    app.router.add_post("/hornet-token", token)
    async with TestServer(app) as server:
        yield str(server.make_url("/hornet-token"))


def bundle(folder: Path, modules: Path) -> str:
    """Bundle ``page.js`` with esbuild, as a project would; return the script."""
    options = {
        "entryPoints": ["page.js"],
        "bundle": True,
        "write": False,
        "loader": {".js": "jsx"},
        "jsx": "automatic",
        "alias": {"hornet-client": "./hornet-client.js"},
        "nodePaths": [str(modules)],
    }
    script = f"const {{ outputFiles }} = require('esbuild').buildSync({json.dumps(options)});"
    done = subprocess.run(
        [NODE, "-e", f"{script} console.log(outputFiles[0].text)"],
        cwd=folder,
        env={**node_environment(), "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_react_component_shows_what_arrives_and_leaves_its_channel_in_strict_mode(
    browser: Browser, server: ServerProcess, backend: Backend, js_modules: Path, tmp_path: Path, prefix: str
) -> None:
    hook, component, shared = (block.text for block in blocks(HOWTO / "react.md", "jsx"))
    first, second = f"{prefix}a", f"{prefix}b"
    hook = hook.replace(PUSH_URL, server.url)
    for name, text in {
        "hornet-client.js": HORNET_OF_THE_PAGE,
        "use-channel.js": hook,
        "headlines.js": component,
        "shared.js": shared,
        "page.js": f"import './shared.js';\n{REACT_PAGE.replace('FIRST', json.dumps(first))}",
    }.items():
        (tmp_path / name).write_text(text)
    script = bundle(tmp_path, js_modules)
    async with serving_page(server, script, backend, first, second) as url:
        opened = await browser.open(url)
        for channel, other in ((first, second), (second, first)):
            await opened.evaluate(f"show({json.dumps(channel)})")
            await wait_for_listeners(backend, {channel: 1, other: 0})

            async def is_shown(channel: str = channel) -> bool:
                """Publish until the component, which mounts twice in strict mode, shows something."""
                await backend.publish(channel, "headline", text=f"try {channel}")
                return f"try {channel}" in await opened.evaluate("document.body.innerText")

            await eventually(is_shown, True)
            await backend.publish(channel, "headline", text=f"on {channel}")
            await opened.wait_for(f"document.body.innerText.includes('on {channel}')")
            assert (await opened.evaluate("document.body.innerText")).count(f"on {channel}") == 1
        await opened.evaluate("show(null)")
        await wait_for_listeners(backend, {first: 0, second: 0})
        assert opened.errors == []


SHARED_PAGE = """
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { HornetProvider, useSubscription } from "./shared.js";

const options = OPTIONS;
const show = (message) => document.body.append(message.text);
function Listener({ channel }) {
  useSubscription(channel, show);
  return null;
}
function Page() {
  const [channels, setChannels] = useState(CHANNELS);
  window.show = setChannels;
  const listeners = channels.map((name) => <Listener key={name} channel={name} />);
  return <HornetProvider options={options}>{listeners}</HornetProvider>;
}
createRoot(document.getElementById("root")).render(<StrictMode><Page /></StrictMode>);
"""


async def test_react_components_share_a_connection_and_subscribe_while_they_are_on_the_page(
    browser: Browser,
    start_server: StartServer,
    backend: Backend,
    js_modules: Path,
    tmp_path: Path,
    prefix: str,
) -> None:
    server = start_server("--public-channels", f"{prefix}*")
    first, second = f"{prefix}a", f"{prefix}b"
    _, _, shared = (block.text for block in blocks(HOWTO / "react.md", "jsx"))
    fetch_token = "async () => (await fetch('/hornet-token', { method: 'POST' })).text()"
    options = f"{{ uri: {json.dumps(server.url)}, channels: {json.dumps(prefix)}, token: {fetch_token} }}"
    for name, text in {
        "hornet-client.js": HORNET_OF_THE_PAGE,
        "shared.js": shared,
        "page.js": SHARED_PAGE.replace("OPTIONS", options).replace("CHANNELS", json.dumps([first, second])),
    }.items():
        (tmp_path / name).write_text(text)
    script = bundle(tmp_path, js_modules)
    async with serving_page(server, script, backend, prefix) as url:
        opened = await browser.open(url)
        await wait_for_listeners(backend, {first: 1, second: 1})
        await backend.publish(second, "headline", text="both are here")
        await opened.wait_for("document.body.innerText.includes('both are here')")
        await opened.evaluate(f"show({json.dumps([first])})")
        await wait_for_listeners(backend, {first: 1, second: 0})
        assert (await opened.evaluate("document.body.innerText")).count("both are here") == 1
        assert opened.errors == []


@asynccontextmanager
async def serving_page(
    server: ServerProcess, script: str, backend: Backend, *channels: str
) -> AsyncIterator[str]:
    """Serve a page with hornet.js and ``script``, and tokens for the channels; yield its address."""

    async def page(_: web.Request) -> web.Response:
        text = f'<!doctype html><div id="root"></div><script src="{server.url}/hornet/hornet.js"></script>'
        return web.Response(text=f'{text}<script src="/page.js"></script>', content_type="text/html")

    async def script_of_page(_: web.Request) -> web.Response:
        return web.Response(text=script, content_type="text/javascript")

    async def token(_: web.Request) -> web.Response:
        return web.Response(text=await backend.token(*channels))

    app = web.Application()
    app.add_routes(
        [web.get("/", page), web.get("/page.js", script_of_page), web.post("/hornet-token", token)]
    )
    async with TestServer(app) as origin:
        yield str(origin.make_url("/"))


async def wait_for_listeners(backend: Backend, wanted: dict[str, int]) -> None:
    async def listeners() -> dict[str, int]:
        return {channel: await backend.listeners(channel) for channel in wanted}

    await eventually(listeners, wanted)


async def test_the_stock_client_of_the_page_comes_back_with_a_fresh_token_whatever_ended_its_connection(
    start_server: StartServer,
    valkey: Valkey,
    redis: Redis,
    backend: Backend,
    token_url: str,
    js_modules: Path,
    tmp_path: Path,
) -> None:
    port = free_port()
    server = start_server("--drain-window", "0", port=port)
    [code, *_] = (block.text for block in blocks(HOWTO / "socketio-client.md", "js"))
    code = code.replace(PUSH_URL, server.url).replace('"socket.io-client"', '"socket.io-client-4.8.4"')
    fetch_token = f"""
    const fetchToken = async () => {{
      const token = await (await fetch("{token_url}", {{ method: "POST" }})).text();
      console.log("token " + token);
      return token;
    }};
    """
    report = "socket.on('connected', () => console.log('is in'));"
    (tmp_path / "node_modules").symlink_to(js_modules)
    (tmp_path / "client.mjs").write_text(fetch_token + code + report)
    client = ServerProcess(program=(str(NODE), str(tmp_path / "client.mjs")), cwd=tmp_path)

    async def times_in() -> int:
        return client.output.count("is in")

    try:
        await eventually(times_in, 1)
        used = client.output.split("token ")[1].split("\n")[0]
        await backend.disconnect_tokens(used)  # ends with "io server disconnect"
        await eventually(times_in, 2)
        server.kill()
        start_server(port=port)
        await eventually(times_in, 3)
        await backend.publish("news", "headline", text="read at last")
        client.wait_for_output("read at last")
        assert client.output.count("token ") >= 3
    finally:
        client.sweep()
        print(client.output)
