"""The HTTP API as a backend uses it: by the page's own curl commands, and from two nodes to real clients."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hornet.connector import AsyncConnector
from hornet.core.history import parse_position
from hornet.web.api import describe
from tests.conftest import StartServer
from tests.docs.markdown import ROOT, blocks
from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess

PAGE = ROOT / "docs" / "howto" / "http-api.md"
URL = "http://localhost:8187"
KEY = "change-me-too-0123456789"
SEPARATOR = "--- next block ---"


def keys_of_the_page() -> list[str]:
    [table] = [tomllib.loads(block.text) for block in blocks(PAGE, "toml")]
    return list(table["api_keys"])


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)


@pytest.fixture
def keyed(start_server: StartServer) -> ServerProcess:
    """A server with the keys of the page."""
    return start_server(
        "--api-keys", ",".join(keys_of_the_page()), "--pushy-secret", "change-me-pushy-0123456789"
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_every_command_of_the_page_works_as_written(
    clients: NodeClients, keyed: ServerProcess, backend: Backend
) -> None:
    token = await backend.token("news")
    client = await clients.connect(keyed.url, auth={"token": token, "channels": ["news"]})
    assert (await client.event())["type"] == "connected"
    script = f"\necho '{SEPARATOR}'\n".join(block.text for block in blocks(PAGE, "sh"))
    done = await asyncio.to_thread(run, "sh", "-euc", script.replace(URL, keyed.url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert await client.event() == {"type": "headline", "text": "It works", "channel": "news"}
    assert await client.event() == {"type": "headline", "text": "One", "channel": "news"}
    answers = [part.strip() for part in done.stdout.split(SEPARATOR)]
    published = json.loads(answers[1])["published"]
    assert [(entry["channel"], entry["nodes"]) for entry in published] == [("news", 1), ("sports", 0)]
    first, second = [parse_position(entry["position"]) for entry in published]
    assert (first.epoch, first.id) < (second.epoch, second.id)


def test_every_operation_is_in_a_command_of_the_page() -> None:
    commands = "".join(block.text for block in blocks(PAGE, "sh"))
    text = PAGE.read_text(encoding="utf-8")
    for path in describe()["paths"]:
        written = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        written = re.sub(r"\{\w+\}", r"[\\w-]+", written)
        assert re.search(rf"\$HORNET{written}\b", commands) or path.replace("{session}", "<id>") in text, path


async def test_what_is_published_to_one_node_reaches_clients_on_both_once(
    clients: NodeClients, start_server: StartServer, backend: Backend, prefix: str
) -> None:
    key = ("--api-keys", f"test:publish:{KEY}")
    nodes = start_server(*key), start_server(*key)
    everyone = []
    for node in (*nodes, *nodes):
        token = await backend.token(prefix)
        client = await clients.connect(node.url, auth={"token": token, "channels": [prefix]})
        assert (await client.event())["type"] == "connected"
        everyone.append(client)
    async with AsyncConnector(nodes[0].url, key=KEY) as hornet:
        for number in range(20):
            assert await hornet.publish(prefix, "count", {"number": number}) == len(nodes)
        await hornet.publish(prefix, "last")
    for client in everyone:
        numbers = []
        while (message := await client.event())["type"] == "count":
            numbers.append(message["number"])
        assert numbers == list(range(20))


def test_requests_made_from_the_document_find_no_fault(start_server: StartServer, tmp_path: Path) -> None:
    """Thousands of requests, valid or not: none is answered 5xx, each answer is one that the document has."""
    server = start_server("--api-keys", f"test:publish+manage+read:{KEY}", "--api-rate", "0")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/api/openapi.json",
        "--header", f"Authorization: Bearer {KEY}",
        "--checks", "all",
        # Some rules are beyond a schema: what a token needs, which patterns and channels are reserved.
        "--exclude-checks", "positive_data_acceptance",
        "--max-time", "40", "--seed", "1", "--no-color",
    ]  # fmt: skip
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "hornet.web" not in server.output, "it logged a failure of its own"
    assert server.stop() == 0
