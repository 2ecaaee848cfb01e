"""The proxies of ``deploy/`` carry stock clients to two nodes. Skipped for a proxy that is not installed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.certificates import Certificates
from tests.conftest import StartServer
from tests.deploy.proxies import PROXIES, nginx_app, running, serving
from tests.e2e.backend import Backend
from tests.e2e.conftest import backend
from tests.e2e.node_client import POLLING, UPGRADE, WEBSOCKET, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually

__all__ = ["backend"]


@dataclass(frozen=True)
class Front:
    """A proxy with two nodes behind it."""

    url: str
    nodes: list[ServerProcess]

    @property
    def output(self) -> str:
        return "".join(node.output for node in self.nodes)


@pytest.fixture(params=PROXIES)
async def front(request: pytest.FixtureRequest, start_server: StartServer) -> AsyncIterator[Front]:
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    nodes = [start_server("--trusted-proxies", "127.0.0.1") for _ in range(2)]
    with running(name, [node.port for node in nodes]) as port:
        url = f"http://127.0.0.1:{port}"

        async def status() -> int:
            return await ask(f"{url}/hornet/hornet.js")

        await eventually(status, 200)
        yield Front(url, nodes)


async def ask(url: str, **headers: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status
    except aiohttp.ClientError:
        return 0


async def test_stock_clients_connect_and_hear_by_every_road(
    front: Front, clients: NodeClients, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    opened = []
    for transports in (POLLING, WEBSOCKET, UPGRADE):
        auth = {"token": await backend.token(channel), "channels": [channel]}
        client = await clients.connect(front.url, transports=transports, auth=auth)
        assert (await client.event())["type"] == "connected"
        opened.append(client)
    await opened[2].next("upgrade", "websocket")
    await backend.publish(channel, "news", title="x" * 100_000)
    for client in opened:
        assert (await client.event())["title"] == "x" * 100_000


async def test_pages_are_judged_by_the_name_that_the_browser_used(front: Front) -> None:
    url = f"{front.url}/socket.io/?EIO=4&transport=polling"
    assert await ask(url, Origin=front.url) == 200
    assert await ask(url, Origin="https://evil.example") == 403


async def test_what_is_for_the_inside_is_closed(front: Front) -> None:
    for path in ("/metrics", "/api", "/api/publish", "/health/ready", "/health/live"):
        assert await ask(front.url + path) == 404


async def test_the_address_of_a_client_is_its_own_whatever_it_claims(front: Front) -> None:
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(
            f"{front.url}/socket.io/?EIO=4&transport=websocket", headers={"X-Forwarded-For": "203.0.113.9"}
        ) as websocket,
    ):
        await websocket.receive()
        await websocket.send_str("40")
        await websocket.receive()

    async def is_logged() -> bool:
        return "opened from 127.0.0.2" in front.output

    await eventually(is_logged, True)
    assert "203.0.113.9" not in front.output


async def test_clients_of_a_node_that_stops_come_back_on_the_other(
    front: Front, clients: NodeClients, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    auth = {"token": await backend.token(channel), "channels": [channel]}
    client = await clients.connect(front.url, transports=WEBSOCKET, auth=auth)
    assert (await client.event())["type"] == "connected"

    async def serving() -> int:
        return len([node for node in front.nodes if "opened from" in node.output])

    await eventually(serving, 1)
    [first] = [node for node in front.nodes if "opened from" in node.output]
    [other] = [node for node in front.nodes if node is not first]
    assert await asyncio.to_thread(first.stop) == 0
    await asyncio.to_thread(other.wait_for_output, "opened from")
    await client.next("connect")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
async def test_nginx_serves_hornet_and_an_application_under_one_name_with_tls(
    start_server: StartServer, tmp_path: Path
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"application: {request.path} {request.headers['X-Forwarded-Proto']}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    certificates = Certificates(tmp_path)
    node = start_server("--trusted-proxies", "127.0.0.1", "--no-demo")
    async with TestServer(app) as application, aiohttp.ClientSession() as http:
        assert application.port is not None
        ports = (node.port, application.port)
        with serving(lambda folder, port: nginx_app(folder, port, *ports, certificates)) as port:
            url = f"https://127.0.0.1:{port}"
            trust = certificates.client_context()

            async def text(path: str) -> str:
                try:
                    async with http.get(url + path, ssl=trust, headers={"Origin": url}) as response:
                        return await response.text()
                except aiohttp.ClientConnectionError:
                    return ""

            await eventually(lambda: text("/"), "application: / https")
            for path in ("/metrics", "/api/publish", "/health/ready", "/socket.ioX", "/hornet/hornet.jsX"):
                assert await text(path) == f"application: {path} https"
            assert "hornet-client" in await text("/hornet/hornet.js")
            assert (await text("/socket.io/?EIO=4&transport=polling")).startswith("0{")
            websocket = f"{url}/socket.io/?EIO=4&transport=websocket"
            async with http.ws_connect(websocket, ssl=trust, headers={"Origin": url}) as opened:
                assert (await opened.receive_str()).startswith("0{")
