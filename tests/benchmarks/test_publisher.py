"""The publisher sends exactly what it is asked to, through a real Valkey."""

import asyncio
import json
import mmap
import struct
import sys
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from benchmarks import publisher
from hornet.broker.history import HistoryStore
from hornet.broker.settings import HistorySettings
from tests.conftest import Valkey

DEADLINE_S = 20.0


async def start(valkey: Valkey, channel: str, *options: str) -> asyncio.subprocess.Process:
    words = ["--port", str(valkey.port), "--channel", channel, "--size", "120", "--deadline", "10"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-S", publisher.__file__, *words, *options, stdout=asyncio.subprocess.PIPE
    )


async def printed(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(DEADLINE_S):
        return int((await process.communicate())[0])


async def test_messages_have_their_size_stamp_and_extra_fields(
    valkey: Valkey, redis: Redis, prefix: str, tmp_path: Path
) -> None:
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps({"only": ["a", "b"]}))
    async with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        await subscriber.subscribe(prefix)
        process = await start(valkey, prefix, "--count", "3", "--rate", "1000", "--extra-file", str(extra))
        messages: list[bytes] = []
        async with asyncio.timeout(DEADLINE_S):
            async for item in subscriber.listen():
                messages.append(item["data"])
                if len(messages) == 3:
                    break
        assert await printed(process) == 3
    parsed = [json.loads(message) for message in messages]
    assert [message["only"] for message in parsed] == [["a", "b"]] * 3
    stamps = [message["t"] for message in parsed]
    assert stamps == sorted(set(stamps))
    assert {len(message) - len(b',"only":["a", "b"]') for message in messages} == {120}


async def test_a_burst_keeps_no_more_than_its_window_in_flight(
    valkey: Valkey, redis: Redis, prefix: str, tmp_path: Path
) -> None:
    progress = tmp_path / "progress"
    progress.write_bytes(bytes(4096))
    async with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        await subscriber.subscribe(prefix)
        burst = ("--count", "20", "--window", "4", "--deliveries", "10", "--progress", str(progress))
        process = await start(valkey, prefix, *burst)
        got = delivered = 0
        with progress.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            async with asyncio.timeout(DEADLINE_S):
                async for _ in subscriber.listen():
                    got += 1
                    assert got <= delivered + 4
                    if got == delivered + 4 or got == 20:  # the window is full: let it through
                        delivered = got
                        shared[:8] = struct.pack("Q", delivered * 10)
                    if got == 20:
                        break
        assert await printed(process) == 20


async def test_messages_go_to_several_channels_in_turn(valkey: Valkey, redis: Redis, prefix: str) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        await subscriber.psubscribe(f"{prefix}-*")
        process = await start(valkey, prefix, "--count", "6", "--rate", "1000", "--rooms", "3")
        channels: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            async for item in subscriber.listen():
                channels.append(item["channel"].decode())
                if len(channels) == 6:
                    break
        assert await printed(process) == 6
    assert channels == [f"{prefix}-{i}" for i in (0, 1, 2, 0, 1, 2)]


async def test_a_message_is_an_entry_of_the_stream_that_the_streams_adapter_reads(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    process = await start(
        valkey, f"hornet:channel:{prefix}", "--count", "1", "--rate", "1", "--form", "streams"
    )
    assert await printed(process) == 1
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", await redis.xrange("socket.io"))
    await redis.delete("socket.io")
    found = [fields for _, fields in entries if json.loads(fields[b"data"])["opts"]["rooms"] == [prefix]]
    [fields] = found
    assert (fields[b"nsp"], fields[b"type"]) == (b"/", b"3")
    event, message = json.loads(fields[b"data"])["packet"]["data"]
    assert event == "message"
    assert message["t"] > 0


async def test_a_recorded_message_is_in_the_history(valkey: Valkey, redis: Redis, prefix: str) -> None:
    topic = f"hornet:channel:{prefix}"
    store = HistoryStore(redis, HistorySettings())
    await store.load()
    process = await start(valkey, topic, "--count", "3", "--rate", "1000", "--form", "recorded")
    assert await printed(process) == 3
    page = await store.page(topic, limit=10)
    assert [json.loads(entry.json)["type"] for entry in page.messages] == ["news"] * 3


async def test_a_publisher_ends_with_its_input_if_it_is_told_to(valkey: Valkey, prefix: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", publisher.__file__,
        *("--port", str(valkey.port), "--channel", prefix, "--size", "120", "--deadline", "60"),
        *("--count", "1000000", "--rate", "100", "--until-input-ends"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.close()
    assert await printed(process) < 1000


@pytest.mark.parametrize(
    "reply",
    [
        b":1\r\n",
        b"+OK\r\n",
        b"$-1\r\n",
        b"$4\r\na\r\nb\r\n",
        b"*2\r\n$3\r\n1-2\r\n:1\r\n",
        b"*2\r\n$-1\r\n:0\r\n",
    ],
    ids=["number", "word", "nil", "string", "position", "nothing recorded"],
)
def test_a_reply_ends_where_its_last_part_ends(reply: bytes) -> None:
    data = b":7\r\n" + reply
    assert publisher.end_of_reply(data + b":8\r\n", 4) == len(data)
    assert all(publisher.end_of_reply(data[:end], 4) == 0 for end in range(4, len(data)))


def test_an_error_of_redis_ends_the_publisher_with_its_words() -> None:
    with pytest.raises(SystemExit, match="ERR Function not found"):
        publisher.end_of_reply(b"-ERR Function not found\r\n", 0)
