"""Plug-ins of a whole node: set up at its start, they publish, and hear Redis, also after an outage."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from hornet.core.errors import SetupError
from hornet.flows.plugins.setup import collect_plugins
from hornet.plugins import NodeInterface
from tests import installed
from tests.broker.servers import RedisServer
from tests.e2e.waiting import DEADLINE_S
from tests.flows.conftest import StartNode


class Recorder:
    """A plug-in that notes what it hears."""

    def __init__(self) -> None:
        self.node: NodeInterface
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    async def set_up(self, node: NodeInterface) -> None:
        self.node = node
        node.listen("orders", lambda topic, payload: self.heard.put_nowait((topic, payload)))
        node.signals.redis_connected.connect(lambda: self.heard.put_nowait("connected"))
        node.signals.redis_lost.connect(lambda: self.heard.put_nowait("lost"))

    async def next(self) -> object:
        return await asyncio.wait_for(self.heard.get(), DEADLINE_S)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def test_a_plug_in_hears_its_topics_from_the_start_and_again_after_an_outage(
    start_node: StartNode, own_redis: RedisServer, recorder: Recorder
) -> None:
    await start_node(redis=own_redis.url, own_plugins=[recorder.set_up])
    assert await recorder.next() == "connected"
    async with Redis(port=own_redis.port) as client:
        assert await client.publish("orders", "1") == 1
    assert await recorder.next() == ("orders", b"1")
    own_redis.kill()
    assert await recorder.next() == "lost"
    own_redis.start()
    assert await recorder.next() == "connected"
    async with Redis(port=own_redis.port) as client:
        assert await client.publish("orders", "2") == 1
    assert await recorder.next() == ("orders", b"2")


async def test_a_plug_in_that_hears_a_channel_of_clients_takes_nothing_from_them(
    start_node: StartNode, recorder: Recorder
) -> None:
    node = await start_node(own_plugins=[recorder.set_up])
    listener = recorder.node.listen("hornet:channel:news", lambda *heard: recorder.heard.put_nowait(heard))
    await listener.wait()
    client = await node.connect_with_token("news")
    assert await recorder.next() == "connected"
    assert await recorder.node.publish("news", "headline", {"text": "hi"}) == 1
    assert await client.message() == {"type": "headline", "text": "hi", "channel": "news"}
    assert await recorder.next() == ("hornet:channel:news", b'{"text":"hi","type":"headline"}')


async def test_a_plug_in_emits_notifies_and_finds_members(start_node: StartNode, recorder: Recorder) -> None:
    node = await start_node(own_plugins=[recorder.set_up])
    client = await node.connect_with_token("news", user="ana")
    assert [member["session"] for member in await recorder.node.members("news")] == [client.sid]
    recorder.node.emit(client.sid, "greeting", 1)
    recorder.node.emit("unknown", "greeting", 2)
    assert await client.event() == ("greeting", 1)
    assert await recorder.node.notify("ana", "greeting", 3) == 1
    assert await client.event() == ("greeting", 3)
    assert await recorder.node.users.is_online("ana")
    with pytest.raises(ValueError, match="channel"):
        await recorder.node.members("")


async def test_a_plug_in_that_fails_stops_the_start_with_a_sentence(start_node: StartNode) -> None:
    def fail(node: NodeInterface) -> None:
        raise LookupError("no settings")

    with pytest.raises(SetupError, match=r"fail' can't be set up: LookupError\('no settings'\)"):
        await start_node(own_plugins=[fail])


async def test_the_example_package_is_set_up_by_its_name_and_hears_orders(
    start_node: StartNode,
    own_redis: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, installed.install_example(tmp_path), raising=False)
    assert collect_plugins([], []) == []
    with pytest.raises(SetupError, match=r"No plug-in 'exampel' is installed \(there is: example\)"):
        collect_plugins([], ["exampel"])
    with caplog.at_level(logging.INFO):
        node = await start_node(redis=own_redis.url, plugins="example", client_events="hello")
        client = await node.connect_with_token("a", user="ana")
        assert await client.ask("hello", 1) == {"ok": True}
        answer = await client.ask("hornet:command", {"name": "example.enter"})
        assert answer == {"ok": True, "result": {"members": ["ana"]}}
        async with Redis(port=own_redis.port) as redis:
            await redis.publish("orders", "12345")
        await client.ask("hornet:command", {"name": "example.enter"})
    assert f"Session {client.sid} emitted hello" in caplog.text
    assert "The plug-in 'example' is set up" in caplog.text
    assert "Orders can be heard" in caplog.text
    assert "An order of 5 bytes" in caplog.text
