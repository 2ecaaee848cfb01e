#!/usr/bin/env bash
# aiohttp: a response is compressed with gzip for a client that refuses gzip.
#
# Versions: aiohttp 3.14.5, Python 3.11.
#
# In Accept-Encoding a weight of 0 means "not acceptable" (RFC 9110, section 12.4.2). Response.enable_compression()
# looks for the text "gzip" (then "deflate", "identity") in the header and does not read weights. So "gzip;q=0" gets a
# gzip body. The order of preference is not read either: "gzip;q=0.1, identity" gets gzip. A client that asks for
# "*;q=0, identity" is served plainly, because no name of a coding stands there.
#
# Output seen:
#   Accept-Encoding: gzip;q=0 -> Content-Encoding: gzip
#   Accept-Encoding: gzip;q=0.1, identity -> Content-Encoding: gzip
#   Accept-Encoding: identity -> Content-Encoding: none
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet aiohttp==3.14.5

"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import asyncio

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer


async def page(request: web.Request) -> web.Response:
    response = web.Response(text="x" * 5000)
    response.enable_compression()
    return response


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as server, ClientSession(auto_decompress=False) as session:
        for accepted in ("gzip;q=0", "gzip;q=0.1, identity", "identity"):
            async with session.get(server.make_url("/"), headers={"Accept-Encoding": accepted}) as response:
                coding = response.headers.get("Content-Encoding", "none")
                print(f"Accept-Encoding: {accepted} -> Content-Encoding: {coding}")


asyncio.run(main())
PYTHON

diff "$work/seen" - <<'SEEN'
Accept-Encoding: gzip;q=0 -> Content-Encoding: gzip
Accept-Encoding: gzip;q=0.1, identity -> Content-Encoding: gzip
Accept-Encoding: identity -> Content-Encoding: none
SEEN
echo "as described"
