"""The configuration of a server that runs, read again: keys, secrets and limits follow it at once."""

import asyncio
import hashlib
import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hornet.connector import AsyncConnector, sign_channel
from tests.conftest import Valkey
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import DEADLINE_S
from tests.flows.client import Client, refusal

OLD, NEW, ADMIN = "old-0123456789abcdef", "new-0123456789abcdef", "admin-0123456789abcdef"
LEFT = f"ops:admin:{ADMIN}"


class Reloaded:
    """A server with a configuration file that a test rewrites."""

    def __init__(self, file: Path, *options: str) -> None:
        self.file = file
        self.options = options
        self.server: ServerProcess

    def start(self, **values: object) -> None:
        self.write(**values)
        self.server = ServerProcess("--port", "0", "--config", str(self.file), *self.options)
        assert self.server.port

    def write(self, **values: object) -> None:
        self.file.write_text(json.dumps(values))

    def hang_up(self, expected: str, **values: object) -> None:
        """Have it read these options; return when the log says what is ``expected`` of it."""
        self.write(**values)
        said = len(self.server.output)
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_for_output(re.compile(rf".{{{said},}}?{expected}", re.DOTALL))

    def ask(self, method: str, path: str, key: str = "", body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE_S)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {**headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(text) if is_json else text

    def code(self, method: str, path: str, key: str = "", body: object = None) -> str:
        return str(self.ask(method, path, key, body)[1]["code"])


@pytest.fixture
def reloaded(valkey: Valkey, tmp_path: Path) -> Iterator[Reloaded]:
    found = Reloaded(tmp_path / "hornet.json", "--redis", valkey.url, "--drain-window", "0")
    yield found
    try:
        assert found.server.stop() == 0
        assert "Traceback" not in found.server.output
        for secret in (OLD, NEW, ADMIN):
            assert secret not in found.server.output
    finally:
        found.server.sweep()


# By SIGHUP


def test_a_key_that_is_taken_out_stops_at_once_and_a_new_one_works(reloaded: Reloaded) -> None:
    reloaded.start(api_keys=[f"a:read:{OLD}"])
    assert reloaded.ask("GET", "/api/nodes", OLD)[0] == 200
    assert reloaded.code("GET", "/api/nodes", NEW) == "KEY_UNKNOWN"
    reloaded.hang_up("changed: api_keys", api_keys=[f"a:read:{NEW}"])
    assert reloaded.code("GET", "/api/nodes", OLD) == "KEY_UNKNOWN"
    assert reloaded.ask("GET", "/api/nodes", NEW)[0] == 200
    reloaded.hang_up("changed: api_keys", api_keys=[f"a:manage:{NEW}"])
    assert reloaded.code("GET", "/api/nodes", NEW) == "RIGHT_MISSING"


def test_the_first_key_shuts_out_requests_without_a_key(reloaded: Reloaded) -> None:
    reloaded.start()
    assert reloaded.ask("GET", "/api/nodes")[0] == 200
    reloaded.hang_up("changed: api_keys", api_keys=[f"a:read:{NEW}"])
    assert reloaded.code("GET", "/api/nodes") == "KEY_MISSING"


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_keys": [f"a:read:{NEW}", f"a:read:{OLD}"]},
        {"api_keys": [NEW]},
        {"api_keys": [f"a:everything:{NEW}"]},
        {"api_keys": [f"a:read:{NEW}"], "no_such_option": 1},
    ],
    ids=["a name twice", "no name", "no such right", "an unknown option"],
)
def test_keys_that_are_wrong_change_nothing(reloaded: Reloaded, wrong: dict[str, object]) -> None:
    reloaded.start(api_keys=[f"a:read:{OLD}"])
    reloaded.hang_up("The configuration stays as it was", **wrong)
    assert reloaded.ask("GET", "/api/nodes", OLD)[0] == 200
    assert reloaded.code("GET", "/api/nodes", NEW) == "KEY_UNKNOWN"


def test_the_pace_of_keys_follows(reloaded: Reloaded) -> None:
    reloaded.start(api_keys=[f"a:read:{OLD}"], api_rate=1)
    statuses = [reloaded.ask("GET", "/api/nodes", OLD)[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    reloaded.hang_up("changed: api_rate", api_keys=[f"a:read:{OLD}"], api_rate=0)
    assert {reloaded.ask("GET", "/api/nodes", OLD)[0] for _ in range(5)} == {200}


def test_the_secret_of_triggers_follows(reloaded: Reloaded) -> None:
    reloaded.start()
    assert trigger(reloaded, NEW) == 404
    reloaded.hang_up("changed: pushy_secret", pushy_secret=OLD)
    assert trigger(reloaded, OLD) == 200
    reloaded.hang_up("changed: pushy_secret", pushy_secret=NEW)
    assert trigger(reloaded, OLD) == 403
    assert trigger(reloaded, NEW) == 200
    reloaded.hang_up("changed: pushy_secret")
    assert trigger(reloaded, NEW) == 404


def trigger(reloaded: Reloaded, secret: str) -> int:
    """How a trigger is answered that is signed with ``secret``."""
    moment = int(time.time())
    signed = hashlib.sha256(f"nobody:event:{moment}:{{}}:{secret}".encode()).hexdigest()
    path = f"/pushy/channel/nobody/trigger?event=event&timestamp={moment}&auth_key={signed}"
    return reloaded.ask("POST", path, body={})[0]


async def test_the_secrets_of_private_channels_follow(reloaded: Reloaded, prefix: str) -> None:
    channel = f"private-{prefix}"
    await asyncio.to_thread(lambda: reloaded.start(channel_secrets=[OLD]))
    async with (
        Client(f"{reloaded.server.url}/", None, "") as one,
        Client(f"{reloaded.server.url}/", None, "") as two,
    ):
        asked = sign_channel(OLD, one.sid, channel)
        assert (await one.ask("hornet:subscribe", asked))["ok"] is True
        await asyncio.to_thread(lambda: reloaded.hang_up("changed: channel_secrets", channel_secrets=[NEW]))
        asked = sign_channel(OLD, two.sid, channel)
        assert await refusal(two, "hornet:subscribe", asked) == "BAD_SIGNATURE"
        asked = sign_channel(NEW, two.sid, channel)
        assert (await two.ask("hornet:subscribe", asked))["ok"] is True


async def test_limits_of_sessions_that_are_there_follow(
    reloaded: Reloaded, valkey: Valkey, prefix: str
) -> None:
    await asyncio.to_thread(reloaded.start)
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token([prefix], publish=[prefix])
    async with Client(f"{reloaded.server.url}/", {"token": token, "channels": [prefix]}, "") as client:
        assert (await client.message())["type"] == "connected"
        text = {"channel": prefix, "type": "t", "message": {"text": "x" * 50}}
        assert (await client.ask("hornet:publish", text))["ok"] is True
        new = {"max_publish": 20, "max_patterns": 1, "public_patterns": True, "max_command_rate": 0.5}
        changed = "changed: public_patterns, max_patterns, max_publish, max_command_rate"
        await asyncio.to_thread(lambda: reloaded.hang_up(changed, **new))
        assert await refusal(client, "hornet:publish", text) == "TOO_LARGE"
        assert (await client.ask("hornet:subscribe", {"pattern": {"a": "1"}}))["ok"] is True
        assert await refusal(client, "hornet:subscribe", {"pattern": {"a": "2"}}) == "TOO_MANY_PATTERNS"


async def test_the_size_of_messages_follows_for_clients_to_come(reloaded: Reloaded) -> None:
    await asyncio.to_thread(reloaded.start)
    await asyncio.to_thread(lambda: reloaded.hang_up("changed: max_payload", max_payload=1000))
    async with Client(f"{reloaded.server.url}/", None, "") as client:
        assert client.opened["maxPayload"] == 1000
        await client.emit("event", "x" * 1000)
        await client.closed()


# By the API


def test_the_api_answers_what_changed_and_what_needs_a_restart(reloaded: Reloaded) -> None:
    reloaded.start(api_keys=[LEFT, f"a:read:{OLD}"])
    reloaded.write(api_keys=[LEFT, f"a:read:{NEW}"], log_level="debug", ping_interval=3)
    assert reloaded.ask("POST", "/api/reload", ADMIN) == (
        200,
        {"changed": ["api_keys", "log_level"], "need_restart": ["ping_interval"]},
    )
    assert reloaded.code("GET", "/api/nodes", OLD) == "KEY_UNKNOWN"
    assert reloaded.ask("GET", "/api/nodes", NEW)[0] == 200
    assert reloaded.ask("POST", "/api/reload", ADMIN)[1] == {"changed": [], "need_restart": ["ping_interval"]}


def test_a_wrong_file_is_reported_to_the_caller_and_changes_nothing(reloaded: Reloaded) -> None:
    reloaded.start(api_keys=[LEFT, f"a:read:{OLD}"])
    reloaded.write(api_keys=[LEFT], max_json_depth="deep")
    status, told = reloaded.ask("POST", "/api/reload", ADMIN)
    assert (status, told["code"]) == (422, "BAD_CONFIGURATION")
    assert "max_json_depth" in told["detail"]
    assert reloaded.ask("GET", "/api/nodes", OLD)[0] == 200


def test_only_a_key_with_the_right_reloads(reloaded: Reloaded) -> None:
    reloaded.start(api_keys=[f"a:read+manage+publish:{OLD}"])
    assert reloaded.code("POST", "/api/reload", OLD) == "RIGHT_MISSING"
    assert reloaded.code("POST", "/api/reload") == "KEY_MISSING"
