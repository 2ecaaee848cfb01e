"""The small application behind the server under test, on python-socketio.

The same as in ``reference/server.mjs``: what a test asks for, it does.
"""

import json
from typing import Any

import socketio

NAMESPACES = ("/", "/custom")


def install(sio: socketio.AsyncServer) -> None:
    """Register the application's namespaces and events."""
    for namespace in NAMESPACES:
        sio.register_namespace(Application(namespace))
    sio.register_namespace(Refusing("/refused"))
    sio.register_namespace(RefusingWithData("/refused-with-data"))


class Application(socketio.AsyncNamespace):
    """Echoes, answers, joins rooms and disconnects on demand."""

    auth: dict[str, Any]

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.auth = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self.auth[sid] = auth

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.auth.pop(sid, None)

    async def on_echo(self, sid: str, *args: Any) -> None:
        await self.emit("echoed", args, to=sid)

    async def on_ask(self, sid: str, *args: Any) -> tuple[Any, ...]:
        return args

    async def on_whoami(self, sid: str) -> dict[str, Any]:
        return {"id": sid, "auth": self.auth[sid]}

    async def on_join(self, sid: str, room: str) -> None:
        await self.enter_room(sid, room)

    async def on_say(self, sid: str, room: str, *args: Any) -> None:
        await self.emit("said", args, room=room)

    async def on_publish(self, sid: str, room: str, message: dict[str, Any]) -> None:
        await self.emit("message", json.dumps(message), room=room)

    async def on_count(self, sid: str, count: int) -> None:
        for number in range(count):
            await self.emit("number", number, to=sid)

    async def on_kick(self, sid: str) -> None:
        await self.disconnect(sid)


class Refusing(socketio.AsyncNamespace):
    """Lets nobody in."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        raise socketio.exceptions.ConnectionRefusedError("not here")


class RefusingWithData(socketio.AsyncNamespace):
    """Lets nobody in and says more."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        raise socketio.exceptions.ConnectionRefusedError("not here", {"code": 7})
