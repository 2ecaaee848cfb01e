"""The publisher sends exactly what it is asked to, through a real Valkey."""

import asyncio
import json
import mmap
import struct
import sys
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import publisher
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
