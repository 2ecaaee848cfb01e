"""A backend that serves a page, makes a one-time token for each visitor, and publishes the time.

Start hornet-server, run this, and open http://localhost:8000/.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from redis.exceptions import RedisError

from hornet.connector import AsyncConnector

REDIS = os.environ.get("HORNET_REDIS") or "redis://127.0.0.1:6379"
HORNET = os.environ.get("PUSH_URL") or "http://localhost:8187"
PORT = int(os.environ.get("PORT") or 8000)

CONNECTOR = web.AppKey("connector", AsyncConnector)
PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


async def page(request: web.Request) -> web.Response:
    """Return the page, with the URL of Hornet in it."""
    return web.Response(text=PAGE.replace("{{hornet}}", HORNET), content_type="text/html")


async def token(request: web.Request) -> web.Response:
    """Return a token. A real backend checks first who the visitor is, and chooses the channels."""
    try:
        token = await request.app[CONNECTOR].create_access_token(["clock"])
    except RedisError:
        raise web.HTTPServiceUnavailable(text="Redis is away, try again\n") from None
    return web.json_response({"token": token}, headers={"Cache-Control": "no-store"})


async def publish_time(connector: AsyncConnector) -> None:
    while True:
        try:
            await connector.publish("clock", "tick", {"time": time.strftime("%H:%M:%S")})
        except RedisError as error:
            print("Redis is away, trying again:", error, flush=True)
        await asyncio.sleep(1)


async def report_visitors(connector: AsyncConnector) -> None:
    while True:
        try:
            async for event, client in connector.subscribe():
                print(event, json.dumps(client["channel"]), flush=True)
        except RedisError as error:  # no Redis yet; a subscription that is lost later comes back by itself
            print("Redis is away, subscribing again:", error, flush=True)
        await asyncio.sleep(1)


async def background(app: web.Application) -> AsyncIterator[None]:
    """Keep the connector and the two tasks as long as the application runs."""
    async with AsyncConnector(REDIS) as connector:
        app[CONNECTOR] = connector
        tasks = [asyncio.create_task(run(connector)) for run in (publish_time, report_visitors)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1)


def create_backend() -> web.Application:
    app = web.Application()
    app.add_routes([web.get("/", page), web.post("/token", token)])
    app.cleanup_ctx.append(background)
    return app


if __name__ == "__main__":
    try:
        web.run_app(create_backend(), port=PORT)
    except OSError as error:  # another program has the port
        raise SystemExit(
            f"Can't listen on port {PORT}: {error.strerror}. Choose another with PORT."
        ) from None
