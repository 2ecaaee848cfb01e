"""Stock python-socketio on aiohttp and uvloop, as its documentation shows it.

python_socketio.py PORT REDIS_PORT
"""

import asyncio
import json
import sys

import redis.asyncio
import socketio
import uvloop
from aiohttp import web

TOPIC = "hornet:channel:"
BACKLOG = 4096


async def serve(port: int, redis_port: int) -> None:
    url = f"redis://127.0.0.1:{redis_port}/0"
    sio = socketio.AsyncServer(
        async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(url), cors_allowed_origins="*"
    )

    async def on_message(sid: str, text: str) -> None:
        for channel in json.loads(text)["channels"]:
            await sio.enter_room(sid, channel)
        await sio.emit("message", "CONNECTED", to=sid)

    sio.on("message", on_message)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    async with redis.asyncio.from_url(url).pubsub(ignore_subscribe_messages=True) as subscriber:
        await subscriber.subscribe(f"{TOPIC}bench")
        await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
        async for item in subscriber.listen():
            channel = item["channel"].decode().removeprefix(TOPIC)
            await sio.emit("message", json.loads(item["data"]), room=channel)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
