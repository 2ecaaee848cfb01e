"""The client scripts that the wheel contains."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from hornet.web.etag import etag_of, respond

STATIC = Path(__file__).parent / "static"

SCRIPTS = {
    "/hornet/hornet.js": "hornet.js",
    "/socket.io/socket.io.js": "socket.io.js",
}
"""Paths as pages of the Node server load them; older pages load both."""


def script_routes() -> list[web.RouteDef]:
    return [_script_route(path, STATIC / name) for path, name in SCRIPTS.items()]


def _script_route(path: str, file: Path) -> web.RouteDef:
    """Serve one script to pages of any origin. A browser asks each time, and downloads a changed script.

    The file is read once, here: ``web.FileResponse`` logs an error for each client that disconnects in the
    middle of the download.
    """
    body = file.read_bytes() if file.is_file() else None
    etag = etag_of(body or b"")

    async def serve(request: web.Request) -> web.StreamResponse:
        if body is None:
            raise web.HTTPNotFound(
                text=f"{file.name} is missing: this Hornet was installed without its built client.\n"
            )
        headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
        return respond(request, body, etag, "text/javascript", headers)

    return web.get(path, serve)
