"""The Redis users that docs/topics/security.md sets up: enough for each, and not more."""

import re
import shlex
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from hornet.connector import Connector
from tests.conftest import start_valkey
from tests.docs.markdown import ROOT, blocks
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess

PAGE = ROOT / "docs" / "topics" / "security.md"


@pytest.fixture
def urls() -> Iterator[dict[str, str]]:
    """The Redis URL of each user of the page, on a Valkey of this test's own."""
    server = start_valkey()
    with Redis(port=server.port, single_connection_client=True) as admin:
        [setup] = [block.text for block in blocks(PAGE, "redis") if "ACL" in block.text]
        for line in setup.splitlines():
            admin.execute_command(*shlex.split(line))
        text = PAGE.read_text(encoding="utf-8")
        found = re.findall(r"(redis://(\w+):[^@]+@127\.0\.0\.1):6379", text)
        yield {user: f"{start}:{server.port}" for start, user in found}
        admin.execute_command("ACL", "SETUSER", "default", "on")
    server.stop()


async def test_a_backend_with_its_own_user_does_its_work_and_nothing_else(
    clients: NodeClients, urls: dict[str, str]
) -> None:
    server = ServerProcess("--port", "0", "--redis", urls["hornet"], "--drain-window", "0")
    try:
        with Connector(urls["shop"]) as shop:
            token = shop.create_access_token("shop:orders")
            client = await clients.connect(server.url, auth={"token": token, "channels": ["shop:orders"]})
            assert (await client.event())["type"] == "connected"
            assert shop.publish("shop:orders", "paid") == 1
            assert (await client.event())["type"] == "paid"

            with pytest.raises(NoPermissionError):
                shop.publish("bank:orders", "paid")
            with pytest.raises(NoPermissionError):
                shop.disconnect_tokens(token)
            with pytest.raises(NoPermissionError):
                shop.redis.publish("socketio", "{}")
            with pytest.raises(NoPermissionError):
                shop.redis.smembers(f"hornet:token:{token}")
        assert server.stop() == 0
        assert "unsent" not in server.output, "it could not tell of the client that went"
    finally:
        server.sweep()
        print(server.output)


def test_the_tests_that_the_threat_model_names_exist() -> None:
    page = ROOT / "docs" / "topics" / "threat-model.md"
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
