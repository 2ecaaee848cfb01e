"""Clients that send small packets as fast as the network takes them: each is cut, and others are served."""

import asyncio
import json
from contextlib import suppress

import pytest

from tests.conftest import Valkey
from tests.resilience.conftest import END, Watch, Watched, heard_until_end
from tests.resilience.raw import UPGRADE, raw

FLOODERS = 5
CHUNK_BYTES = 200_000
MOST_CPU_S = 1.0
"""The server works this long at most until a message reaches the honest client. With no limit on packets, it
worked up to 25 s."""

OPEN = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n"


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A frame of a client, with a mask of zeros."""
    return bytes((first, 0x80 | len(payload), 0, 0, 0, 0)) + payload


PACKETS = {
    "pongs": frame(b"3"),
    "noops": frame(b"6"),
    "acknowledgements": frame(b"439[]"),
    "events": frame(b'42["a"]'),
    "connections to a namespace": frame(b"40/x,"),
    "departures from a namespace": frame(b"41/x,"),
    "pings of WebSocket": frame(b"", 0x89),
    "pongs of WebSocket": frame(b"", 0x8A),
    "empty fragments": frame(b"", 0x01) + frame(b"", 0x00) * 2000,
}


async def flood(watched: Watched, packet: bytes) -> None:
    """Send a packet again and again until the connection is cut."""
    async with raw(watched) as (reader, writer):
        writer.write(OPEN + frame(b"40"))
        await reader.readuntil(b"\r\n\r\n")
        reading = asyncio.create_task(reader.read())
        data = packet * (CHUNK_BYTES // len(packet))
        with suppress(OSError):
            while not reading.done():
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            await reading


@pytest.mark.parametrize("kind", PACKETS)
async def test_a_flood_of_packets_is_cut_and_delays_no_other_client(
    valkey: Valkey, watch: Watch, program: tuple[str, ...], kind: str
) -> None:
    watched = await watch(valkey.url, "--log-level", "warning", program=program)
    honest = await watched.connect(await watched.token())
    floods = [asyncio.create_task(flood(watched, PACKETS[kind])) for _ in range(FLOODERS)]
    most_cpu_s = 0.0
    while not all(task.done() for task in floods):
        before_s = watched.cpu_s()
        await watched.publish("meanwhile")
        assert (await honest.message())["type"] == "meanwhile"
        most_cpu_s = max(most_cpu_s, watched.cpu_s() - before_s)
        await asyncio.wait(floods, timeout=0.02)
    await asyncio.gather(*floods)
    assert most_cpu_s < MOST_CPU_S
    await watched.publish(END)
    assert await heard_until_end(honest) == []
    cut = await watched.metric('hornet_malformed_packets_total{fault="too_many_packets"}')
    told = await watched.metric('hornet_refusals_total{code="TOO_MANY_EVENTS"}')
    assert cut + min(told, FLOODERS) >= FLOODERS
    assert watched.server.output.count("\n") < 30


@pytest.mark.parametrize("body", ["2\x1e" * 30_000 + "2", "6\x1e" * 3000 + "6"], ids=["very many", "many"])
async def test_a_post_of_too_many_packets_is_refused(valkey: Valkey, watch: Watch, body: str) -> None:
    watched = await watch(valkey.url)
    url = f"{watched.server.url}/socket.io/?EIO=4&transport=polling"
    async with watched.http.get(url) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    async with watched.http.post(f"{url}&sid={sid}", data=body) as response:
        assert response.status == 429
    assert await watched.metric('hornet_malformed_packets_total{fault="too_many_packets"}') == 1


async def test_posts_of_many_packets_one_after_the_other_are_refused(valkey: Valkey, watch: Watch) -> None:
    watched = await watch(valkey.url, "--max-packet-rate", "100")
    url = f"{watched.server.url}/socket.io/?EIO=4&transport=polling"
    async with watched.http.get(url) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    statuses = []
    for _ in range(20):
        async with watched.http.post(f"{url}&sid={sid}", data="6\x1e" * 199 + "6") as response:
            statuses.append(response.status)
    assert statuses[0] == 200
    assert 429 in statuses
    assert statuses[-1] == 400, "the session is over"
