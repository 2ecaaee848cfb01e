"""The client scripts that ship in the wheel."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"

SCRIPTS = {
    "/hornet/hornet.js": "hornet.js",
    "/socket.io/socket.io.js": "socket.io.js",
}
"""Paths as pages of the Node server have them; older pages load both."""


def script_routes() -> list[web.RouteDef]:
    return [_script_route(path, STATIC / name) for path, name in SCRIPTS.items()]


def _script_route(path: str, file: Path) -> web.RouteDef:
    """Serve one script to pages of any origin. A browser asks each time and downloads what changed."""

    exists = file.is_file()

    async def serve(request: web.Request) -> web.StreamResponse:
        if not exists:
            raise web.HTTPNotFound(
                text=f"{file.name} is missing: this Hornet was installed without its built client.\n"
            )
        headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
        return web.FileResponse(file, headers=headers)

    return web.get(path, serve)
