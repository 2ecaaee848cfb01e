"""A node that logs all it can receives each kind of secret, and none of them is in its log.

Each line about a session names the session, in the field by which programs find it.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hornet.connector import AsyncConnector, sign_channel
from tests.broker.servers import RedisServer
from tests.e2e.server import ServerProcess
from tests.flows.auth.user_api import UserApi
from tests.flows.client import Client
from tests.resilience.raw import UPGRADE

PASSWORD = "SECRET-password-of-redis"
KEY, WRONG_KEY, ADMIN = "SECRET-key-of-the-api", "SECRET-key-that-is-wrong", "SECRET-key-of-the-admin"
SIGNING, PUSHY = "SECRET-of-private-channels", "SECRET-of-triggers"
HASH, WRONG_HASH = "SECRET-session-id", "SECRET-session-id-that-is-wrong"
ACCESS, WRONG_ACCESS = "user-76543210123", "garbage-SECRET"
PAYLOAD, PRESENT, COOKIE = "SECRET-text-of-a-message", "SECRET-name-of-a-member", "SECRET-cookie"
MARK = "SECRET"
"""Each text that must not be in the log contains this, or is in ``Scene.secrets``."""


@dataclass
class Scene:
    """A node with every kind of authentication, and the secrets that it was given."""

    server: ServerProcess
    redis: RedisServer
    redis_url: str
    http: aiohttp.ClientSession
    secrets: set[str]
    sids: set[str]

    async def token(self, *channels: str, **carried: Any) -> str:
        async with AsyncConnector(self.redis_url) as backend:
            token = await backend.create_access_token(channels, **carried)
        self.secrets.add(token)
        return token

    async def publish(self, channel: str, body: bytes | str) -> None:
        async with AsyncConnector(self.redis_url) as backend:
            await backend.redis.publish(channel, body)

    def client(self, auth: object = None, query: str = "") -> Client:
        return Client(f"{self.server.url}/", auth, query)

    async def api(self, method: str, path: str, key: str, **options: Any) -> int:
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        async with self.http.request(method, self.server.url + path, headers=headers, **options) as response:
            return response.status

    async def raw(self, data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(data)
        await reader.read(1000)
        writer.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    redis = RedisServer("--requirepass", PASSWORD)
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0"
    async with UserApi() as users, aiohttp.ClientSession() as http:
        options = {
            "port": 0,
            "redis": url,
            "log_level": "debug",
            "log_format": "json",
            "drain_window": 0,
            "backend_uri": users.uri,
            "channel_secrets": [SIGNING],
            "pushy_secret": PUSHY,
            "api_keys": [f"shop:publish+manage+read:{KEY}", f"ops:admin:{ADMIN}"],
        }
        file = tmp_path / "hornet.json"
        file.write_text(json.dumps(options))
        server = ServerProcess("--config", str(file))
        try:
            await asyncio.to_thread(lambda: server.url)
            yield Scene(server, redis, url, http, set(), set())
        finally:
            server.sweep()
            redis.remove()


async def clients_get_in(scene: Scene) -> None:
    """Have clients authenticate by each kind of credential, and fail to."""
    token = await scene.token("news", "private-a", publish=["news"], user="ada", info={"name": PRESENT})
    async with scene.client({"token": token, "channels": ["news"]}) as client:
        scene.sids.add(client.sid)
        assert (await client.message())["type"] == "connected"
        await client.ask("hornet:publish", {"channel": "news", "type": "t", "message": {"text": PAYLOAD}})
        signed = sign_channel(SIGNING, client.sid, "private-a", {"id": "ada", "info": PRESENT})
        scene.secrets.add(signed["signature"])
        await client.ask("hornet:subscribe", signed)
        await client.ask("hornet:subscribe", {**signed, "signature": "hmac-sha256:SECRET"})
        await client.ask("hornet:subscribe", {"pattern": {"kind": PAYLOAD}, "token": token})
        await client.ask("hornet:command", {"name": "none", "data": PAYLOAD})
        await client.ask("no-such-event", {"token": token, "text": PAYLOAD})
        await client.show(token, "news")
        await client.ask("user:logout")
    async with scene.client(None, f"&token={await scene.token('news')}&channels=news") as client:
        assert (await client.message())["type"] == "connected"
        scene.sids.add(client.sid)
    async with scene.client() as client:
        for shown in (WRONG_ACCESS, ACCESS, {"access_token": "line\r\n" + MARK}):
            await client.ask("user:authenticate", shown)
        await client.emit("message", json.dumps({"userId": "ada", "hash": WRONG_HASH}))
        await client.emit("message", "not JSON, but " + MARK)
        await client.ask("message", {"token": MARK, "channels": ["news"]})
        scene.sids.add(client.sid)


async def backends_ask(scene: Scene) -> None:
    """Call the API with right and wrong keys, call a trigger, and send malformed requests."""
    message = {"channels": "news", "type": "t", "message": {"text": PAYLOAD}}
    for key in (KEY, WRONG_KEY, ADMIN):
        await scene.api("POST", "/api/publish", key, json=message)
    await scene.api(
        "POST", "/api/publish", KEY, data=b'{"channels": "SECRET', headers={"Idempotency-Key": MARK}
    )
    await scene.api("PUT", "/api/users/ada/credential", KEY, json={"session_id": HASH})
    await scene.api("POST", "/api/users/ada/credential/check", KEY, json={"session_id": WRONG_HASH})
    await scene.api("POST", "/api/tokens/revoke", KEY, json={"tokens": [await scene.token("news")]})
    await scene.api("POST", "/api/reload", ADMIN)
    now = int(time.time())
    for secret in (PUSHY, MARK):
        signed = hashlib.sha256(f"news:e:{now}:{{}}:{secret}".encode()).hexdigest()
        scene.secrets.add(signed)
        await scene.api(
            "POST", f"/pushy/channel/news/trigger?event=e&timestamp={now}&auth_key={signed}", KEY, data="{}"
        )
    for channel in (
        "hornet:channel:news",
        "hornet:channel:hornet",
        "hornet:user:ada",
        "socket.io#/#",
        "hornet:ask",
    ):
        for body in (PAYLOAD, json.dumps({"type": 7, "text": PAYLOAD}), b"\x80\x04" + PAYLOAD.encode()):
            await scene.publish(channel, body)


async def others_break_things(scene: Scene) -> None:
    """Send requests and packets that are malformed, with a secret in each."""
    secret = b"Host: a\r\nAuthorization: Bearer SECRET\r\nCookie: " + COOKIE.encode() + b"\r\n"
    websocket = b"GET /socket.io/?EIO=4&transport=websocket&token=SECRET HTTP/1.1\r\n" + secret
    for data in (
        b"GET / HTTP/9.9\r\n" + secret + b"\r\n",
        b"GET /SECRET\x00 HTTP/1.1\r\n" + secret + b"\r\n",
        b"POST /api/publish?SECRET HTTP/1.1\r\n" + secret + b"Content-Length: x\r\n\r\n",
        b"POST /api/publish HTTP/1.1\r\n"
        + secret
        + b"Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\nSECRET",
        websocket + b"Origin: https://evil.example\r\n" + UPGRADE + b"\r\n",
        websocket + UPGRADE + b"\r\n\x81\x86\x00\x00\x00\x00SECRET",
        websocket + UPGRADE + b"\r\n\x81\x89\x00\x00\x00\x0042[SECRET",
    ):
        await scene.raw(data)


async def redis_goes_and_comes(scene: Scene) -> None:
    token = await scene.token("news")
    async with scene.client() as client:
        scene.sids.add(client.sid)
        await asyncio.to_thread(scene.redis.kill)
        await asyncio.to_thread(scene.server.wait_for_output, "No subscription connection")
        await client.show(token, "news")
        assert (await client.message())["error"] == "UNAVAILABLE"
        await client.emit("message", json.dumps({"userId": "ada", "hash": HASH}))
        await scene.api("POST", "/api/publish", KEY, json={"channels": "news", "type": PAYLOAD})
        await client.event()
    await asyncio.to_thread(scene.redis.start)
    await asyncio.to_thread(scene.server.wait_for_output, "is back")


async def test_no_secret_is_in_the_log_and_each_line_about_a_session_names_it(scene: Scene) -> None:
    for part in (clients_get_in, backends_ask, others_break_things, redis_goes_and_comes):
        await part(scene)
    assert await asyncio.to_thread(scene.server.stop) == 0
    output = scene.server.output
    assert "Traceback" not in output
    lines = [json.loads(line) for line in scene.server.stderr.splitlines()]
    assert {line["level"] for line in lines} >= {"info", "warning"}
    for secret in (MARK, PASSWORD, ACCESS, *scene.secrets):
        assert [line for line in lines if secret in json.dumps(line)] == []
        assert secret not in output
    for sid in scene.sids:
        about = [line for line in lines if sid in line["message"]]
        assert len(about) >= 2, "it came and went"
        assert {line.get("session") for line in about} == {sid}
