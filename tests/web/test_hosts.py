"""Pages and metrics are shown under the names of the server alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from hornet.app import NODE, create_app
from hornet.broker.settings import RedisSettings
from hornet.config import Config
from hornet.core.codes import UNKNOWN_HOST
from hornet.engine import EngineSettings
from hornet.web.settings import ServerSettings
from tests.conftest import Valkey

Visitor = TestClient[Request, Application]
Start = Callable[..., Awaitable[Visitor]]

SHOWN = ("/", "/metrics")


@pytest.fixture
async def start(valkey: Valkey) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(
            *, demo: bool = True, trusted_proxies: tuple[str, ...] = (), **options: str
        ) -> Visitor:
            config = Config(
                server=ServerSettings(demo=demo, allowed_hosts=tuple(options.values())),
                redis=RedisSettings(redis=valkey.url),
                engine=EngineSettings(trusted_proxies=trusted_proxies),
            )
            return await stack.enter_async_context(TestClient(TestServer(create_app(config))))

        yield start


@pytest.mark.parametrize("demo", [True, False])
async def test_a_page_whose_name_leads_here_reads_nothing(start: Start, demo: bool) -> None:
    """DNS rebinding: the browser of a person on this machine shows the page of a stranger."""
    visitor = await start(demo=demo)
    for path in SHOWN:
        for host in ("evil.example", "evil.example:8187", "localhost.evil.example", "127.0.0.1.evil.example"):
            answer = await visitor.get(path, headers={"Host": host})
            assert answer.status == 403, (path, host)
            assert "evil" not in await answer.text()
        for host in ("localhost:8187", "127.0.0.1", "[::1]:8187", "192.0.2.1:8187", "hornet.localhost"):
            assert (await visitor.get(path, headers={"Host": host})).status == 200, (path, host)
    assert visitor.app[NODE].engine.counts.refused[UNKNOWN_HOST] == 8


async def test_a_page_whose_name_leads_here_gets_no_token(start: Start) -> None:
    visitor = await start()
    evil = {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
    assert (await visitor.post("/demo/token", headers=evil)).status == 403
    assert (await visitor.post("/demo/publish", headers=evil, json={"text": "hi"})).status == 403


async def test_a_name_that_the_operator_allows_is_good(start: Start) -> None:
    visitor = await start(host="hornet.test")
    for path in SHOWN:
        assert (await visitor.get(path, headers={"Host": "Hornet.test:8187"})).status == 200
        assert (await visitor.get(path, headers={"Host": "other.test"})).status == 403
        forwarded = {"Host": "other.test", "X-Forwarded-For": "203.0.113.9"}
        assert (await visitor.get(path, headers=forwarded)).status == 403


async def test_through_a_proxy_any_name_is_good_until_names_are_configured(start: Start) -> None:
    public = {"Host": "push.example.com"}
    visitor = await start()
    assert (await visitor.get("/", headers={**public, "X-Forwarded-For": "203.0.113.9"})).status == 200
    behind = await start(trusted_proxies=("127.0.0.0/8",))
    assert (await behind.get("/", headers=public)).status == 200


async def test_probes_are_answered_under_any_name(start: Start) -> None:
    visitor = await start(host="hornet.test")
    for path in ("/health/live", "/health/ready"):
        assert (await visitor.get(path, headers={"Host": "10-0-0-7.pod.example"})).status == 200
