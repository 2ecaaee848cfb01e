"""Each example does what it says."""

import ast
import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import jwt
import pytest
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.docs.conftest import Reader
from tests.docs.markdown import ROOT
from tests.e2e.backend import Backend
from tests.e2e.browser import Browser
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess, free_port
from tests.e2e.waiting import eventually

EXAMPLES = ROOT / "examples"
BUILT = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
PIP_DEADLINE_S = 120
ANSWER = "document.getElementById('answer').textContent"
TIME = "document.getElementById('time').textContent"


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"[{path.name}]({path.name})" in listed


def start_backend(program: Path, reader: Reader, server: ServerProcess, port: int) -> ServerProcess:
    """Start the backend of an example beside Hornet, and wait until it serves its page."""
    backend = reader.start(
        f".venv/bin/python {program}", HORNET_REDIS=reader.redis_url, PUSH_URL=server.url, PORT=str(port)
    )
    backend.wait_for_output("Running on")
    return backend


async def test_the_page_of_the_example_backend_shows_the_backends_clock(
    browser: Browser, server: ServerProcess, reader: Reader, port: int
) -> None:
    backend = start_backend(EXAMPLES / "backend_aiohttp.py", reader, server, port)
    page = await browser.open(f"http://localhost:{port}/")
    await page.wait_for("document.getElementById('state').textContent === 'Connected'")
    await page.wait_for(r"/^\d\d:\d\d:\d\d$/.test(document.getElementById('time').textContent)")
    backend.wait_for_output('connect "clock"')
    await page.close()
    backend.wait_for_output('disconnect "clock"')
    assert page.errors == []


async def test_the_example_backend_waits_for_hornet_and_goes_on_after_hornet_was_started_again(
    browser: Browser, reader: Reader, port: int
) -> None:
    redis_port, hornet_port = str(free_port()), str(free_port())
    options = ("--port", hornet_port, "--embedded-port", redis_port, "--drain-window", "0")
    backend = reader.start(
        f".venv/bin/python {EXAMPLES / 'backend_aiohttp.py'}",
        HORNET_REDIS=f"redis://127.0.0.1:{redis_port}",
        PUSH_URL=f"http://localhost:{hornet_port}",
        PORT=str(port),
    )
    backend.wait_for_output("Redis is away, trying again")
    backend.wait_for_output("Redis is away, subscribing again")
    redis = Redis(port=int(redis_port))

    async def listens() -> bool:
        [(_, number)] = await redis.pubsub_numsub("hornet:events:connect")
        return number == 1

    async def start() -> ServerProcess:
        """Start Hornet, and wait until the backend listens to its events."""
        server = ServerProcess(*options)
        assert server.url
        await eventually(listens, True)
        return server

    server = await start()
    try:
        page = await browser.open(f"http://localhost:{port}/")
        await page.wait_for(f"/^..:..:..$/.test({TIME})")
        backend.wait_for_output('connect "clock"')
        for end in (ServerProcess.stop, ServerProcess.sweep):  # as Ctrl-C does, and a crash of everything
            end(server)
            last, before = await page.evaluate(TIME), backend.output.count('connect "clock"')
            server = await start()
            await page.wait_for(f"{TIME} !== {last!r}")
            await browser.open(f"http://localhost:{port}/")
            await eventually(partial(reports_more_visitors, backend, before), True)
    finally:
        server.sweep()
        await redis.aclose()


async def reports_more_visitors(backend: ServerProcess, before: int) -> bool:
    return backend.output.count('connect "clock"') > before


async def test_an_answer_word_by_word_survives_a_reload_and_has_a_second_viewer(
    browser: Browser, server: ServerProcess, reader: Reader, port: int
) -> None:
    start_backend(EXAMPLES / "llm-stream" / "backend.py", reader, server, port)
    first = await browser.open(f"http://localhost:{port}/")
    await first.click("button")
    await first.wait_for(f"{ANSWER}.startsWith('You asked: How')")
    await first.evaluate("(globalThis.isOld = true, setTimeout(() => location.reload()))")
    await first.wait_for("!globalThis.isOld")
    second = await browser.open(await first.evaluate("location.href"))
    words = f"You asked: How does this work? {published_answer()}"
    for viewer in (first, second):
        await viewer.wait_for("document.getElementById('state')?.textContent === 'Done'")
        assert (await viewer.evaluate(ANSWER)).strip() == words
        assert viewer.errors == []


def published_answer() -> str:
    """Return the text that the example's backend publishes."""
    source = (EXAMPLES / "llm-stream" / "backend.py").read_text(encoding="utf-8")
    [answer] = [
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ANSWER"
    ]
    return str(answer)


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


@pytest.mark.parametrize("example", ["jwt_authenticator.py", "backend_aiohttp.py"])
def test_an_example_whose_port_is_taken_says_so_in_one_line(
    reader: Reader, server: ServerProcess, example: str
) -> None:
    program = reader.start(
        f".venv/bin/python {EXAMPLES / example}",
        HORNET_REDIS=reader.redis_url,
        JWT_KEY="a-secret-of-32-characters-or-more",
        PORT=str(server.port),
    )
    assert program.wait() == 1
    assert f"Can't listen on port {server.port}: " in program.output
    assert "Traceback" not in program.output


def test_the_example_with_json_web_tokens_says_that_its_key_is_missing(reader: Reader) -> None:
    program = reader.start(
        f".venv/bin/python {EXAMPLES / 'jwt_authenticator.py'}", HORNET_REDIS=reader.redis_url, JWT_KEY=""
    )
    assert program.wait() == 1
    assert program.output == "Set JWT_KEY to the secret with which your backend signs\n"


def test_the_example_package_leaves_nothing_behind_where_it_is_built(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(EXAMPLES / "hornet_example_commands", source, ignore=BUILT)
    before = sorted(path.name for path in source.iterdir())
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True, timeout=PIP_DEADLINE_S)
    assert sorted(path.name for path in source.iterdir()) == before
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert b"example.roll=hornet_example_commands:roll" in archive.read(entry_points).replace(b" ", b"")
