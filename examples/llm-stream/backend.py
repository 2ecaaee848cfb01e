"""A backend whose answers arrive word by word, as those of a language model do.

Start hornet-server, run this, and open http://localhost:8000/. Load the page again in the middle of an
answer, or open its address in a second window.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from redis.exceptions import RedisError

from hornet.connector import AsyncConnector

REDIS = os.environ.get("HORNET_REDIS") or "redis://127.0.0.1:6379"
HORNET = os.environ.get("PUSH_URL") or "http://localhost:8187"
PORT = int(os.environ.get("PORT") or 8000)
PAUSE_S = float(os.environ.get("PAUSE_S") or 0.15)

CONNECTOR = web.AppKey("connector", AsyncConnector)
ANSWERS = web.AppKey("answers", dict[str, asyncio.Task[None]])
PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
ANSWER = (
    "Every word of this answer is one message, and Redis keeps each of them for a while. A page that is "
    "loaded again asks for the words that were there before it, and gets them first, in their order. The "
    "words that follow come live. So does a second viewer, who opens the same address when the answer is "
    "half done."
)


async def generate(question: str) -> AsyncIterator[str]:
    """Yield the words of an answer. A real backend asks its model here."""
    for word in f"You asked: {question} {ANSWER}".split():
        await asyncio.sleep(PAUSE_S)
        yield word


async def publish_answer(connector: AsyncConnector, channel: str, question: str) -> None:
    """Publish each word as it comes. The connector records what it publishes."""
    try:
        async for word in generate(question):
            await connector.publish(channel, "word", {"text": word})
        await connector.publish(channel, "end")
    except RedisError as error:
        print("The answer ends here, Redis is away:", error, flush=True)


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE.replace("{{hornet}}", HORNET), content_type="text/html")


async def ask(request: web.Request) -> web.Response:
    """Begin an answer, and return the name of its channel."""
    question = (await request.text())[:200]
    channel = f"answer-{secrets.token_urlsafe(12)}"
    answers = request.app[ANSWERS]
    task = asyncio.create_task(publish_answer(request.app[CONNECTOR], channel, question))
    answers[channel] = task
    task.add_done_callback(lambda _: answers.pop(channel, None))
    return web.json_response({"channel": channel})


async def token(request: web.Request) -> web.Response:
    """Return a token for one answer. A real backend checks first whose answer it is."""
    channel = await request.text()
    if not channel.startswith("answer-"):
        raise web.HTTPForbidden
    try:
        token = await request.app[CONNECTOR].create_access_token([channel])
    except RedisError:
        raise web.HTTPServiceUnavailable(text="Redis is away, try again\n") from None
    return web.Response(text=token, headers={"Cache-Control": "no-store"})


async def background(app: web.Application) -> AsyncIterator[None]:
    """Keep the connector as long as the application runs."""
    async with AsyncConnector(REDIS) as connector:
        app[CONNECTOR] = connector
        yield
        tasks = list(app[ANSWERS].values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def create_backend() -> web.Application:
    app = web.Application()
    app[ANSWERS] = {}
    app.add_routes([web.get("/", page), web.post("/ask", ask), web.post("/token", token)])
    app.cleanup_ctx.append(background)
    return app


if __name__ == "__main__":
    try:
        web.run_app(create_backend(), port=PORT)
    except OSError as error:  # another program has the port
        raise SystemExit(
            f"Can't listen on port {PORT}: {error.strerror}. Choose another with PORT."
        ) from None
