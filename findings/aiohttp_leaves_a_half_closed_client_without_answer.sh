#!/usr/bin/env bash
# aiohttp: a client that closes its sending side after a whole request gets no answer.
#
# Versions: aiohttp 3.14.5, Python 3.11, with asyncio's own loop.
#
# A client may send a request, close its half of the connection (shutdown(SHUT_WR)), and read the answer from the other
# half (RFC 9112, section 9.6 has half-closed connections; `nc -N` and small HTTP clients work so). aiohttp's protocol
# does not ask asyncio to keep the transport at the end of the input, so asyncio closes it. The handler runs to its end,
# the client reads an empty answer, and a client that retries then does everything twice.
#
# Output seen:
#   connection left open: HTTP/1.1 200 OK, handler ended 1 times
#   half closed: no answer, handler ended 2 times
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet aiohttp==3.14.5

"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import asyncio

from aiohttp import web

REQUEST = b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
ended = 0


async def order(request: web.Request) -> web.Response:
    global ended
    await request.read()
    await asyncio.sleep(0.2)
    ended += 1
    return web.Response(text="ordered")


async def main() -> None:
    app = web.Application()
    app.router.add_post("/order", order)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    for name, half_close in (("connection left open", False), ("half closed", True)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        if half_close:
            writer.write_eof()
        answer = await reader.read()
        await asyncio.sleep(0.5)
        status = answer.split(b"\r\n")[0].decode() or "no answer"
        print(f"{name}: {status}, handler ended {ended} times")
        writer.close()
    await runner.cleanup()


asyncio.run(main())
PYTHON

diff "$work/seen" - <<'SEEN'
connection left open: HTTP/1.1 200 OK, handler ended 1 times
half closed: no answer, handler ended 2 times
SEEN
echo "as described"
