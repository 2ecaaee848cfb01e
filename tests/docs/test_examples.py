"""Each example does what it says."""

import json
import time
from pathlib import Path

import jwt

from tests.conftest import Valkey
from tests.docs.conftest import Reader
from tests.docs.markdown import ROOT
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess

EXAMPLES = ROOT / "examples"


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"[{path.name}]({path.name})" in listed


async def test_the_page_of_the_example_backend_shows_the_backends_clock(
    browser: Browser, server: ServerProcess, reader: Reader, port: int
) -> None:
    backend = reader.start(
        f".venv/bin/python {EXAMPLES / 'backend_aiohttp.py'}",
        HORNET_REDIS=reader.redis_url,
        PUSH_URL=server.url,
        PORT=str(port),
    )
    backend.wait_for_output("Running on")
    page = await browser.open(f"http://localhost:{port}/")
    await page.wait_for("document.getElementById('state').textContent === 'Connected'")
    await page.wait_for(r"/^\d\d:\d\d:\d\d$/.test(document.getElementById('time').textContent)")
    backend.wait_for_output('connect "clock"')
    await page.close()
    backend.wait_for_output('disconnect "clock"')
    assert page.errors == []


async def test_publish_sh_reaches_a_client(
    clients: NodeClients,
    server: ServerProcess,
    valkey: Valkey,
    backend: Backend,
    reader: Reader,
    prefix: str,
) -> None:
    channel = f"{prefix}clock"
    client = await clients.connect(
        server.url, auth={"token": await backend.token(channel), "channels": [channel]}
    )
    assert (await client.event())["type"] == "connected"
    script: Path = EXAMPLES / "publish.sh"
    message = {"type": "tick", "time": "five o'clock"}
    (reader.folder / "message.json").write_text(json.dumps(message))
    assert reader.paste(f'{script} {channel} "$(cat message.json)"').endswith("1")
    assert await client.event() == {**message, "channel": channel}


async def test_the_example_with_json_web_tokens_lets_the_named_user_in(
    clients: NodeClients, backend: Backend, reader: Reader, port: int, prefix: str
) -> None:
    key = "a-secret-of-32-characters-or-more"
    server = reader.start(
        f".venv/bin/python {EXAMPLES / 'jwt_authenticator.py'}",
        HORNET_REDIS=reader.redis_url,
        JWT_KEY=key,
        PORT=str(port),
    )
    server.wait_for_output("Running on")
    url = f"http://localhost:{port}"
    now = int(time.time())
    claims = {"sub": "ana", "name": "Ana", "channels": [f"{prefix}news"], "exp": now + 60}
    client = await clients.connect(url, auth={"jwt": jwt.encode(claims, key)})
    assert (await client.event())["type"] == "connected"
    assert await backend.publish(f"{prefix}news", "headline") == 1
    assert (await client.event())["type"] == "headline"
    for wrong, code in (
        (jwt.encode({**claims, "exp": now - 60}, key), "EXPIRED_JWT"),
        (jwt.encode(claims, key[::-1]), "INVALID_JWT"),
        (jwt.encode(claims, "", algorithm="none"), "INVALID_JWT"),
        (jwt.encode({"sub": "ana"}, key), "INVALID_JWT"),
        ("nonsense", "INVALID_JWT"),
    ):
        client = await clients.connect(url, auth={"jwt": wrong})
        assert (await client.event())["error"] == code
    claims["channels"] = ["hornet"]
    client = await clients.connect(url, auth={"jwt": jwt.encode(claims, key)})
    assert (await client.event())["error"] == "UNAVAILABLE"
