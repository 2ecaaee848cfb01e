"""One input of the differential run, and the shapes that most inputs have."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.conformance.observing import MARKER, WEBSOCKET_HEADERS, Observation

Run = Callable[[Observation], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """An input by its name, and what is done with it."""

    name: str
    run: Run


def request(
    name: str,
    query: str,
    *headers: str,
    method: str = "GET",
    path: str = "/socket.io/",
    body: bytes = b"",
    version: str = "1.1",
    host: str = "here",
) -> Case:
    """Make a case of one HTTP request that opens a session, or should."""

    async def run(observed: Observation) -> None:
        target = f"{path}?{query}&case={observed.case}" if query else path
        response = await observed.request(method, target, *headers, body=body, version=version, host=host)
        observed.add(response.shown)
        shown = ["cache-control"]
        if response.status < 400 and any(line.startswith("Origin") for line in headers):
            shown += ["access-control-allow-origin", "access-control-allow-credentials"]
        observed.done += [f"{name}: {response.headers[name]}" for name in shown if name in response.headers]
        await observed.end_polling(response)

    return Case(name, run)


def websocket_request(name: str, query: str, *headers: str) -> Case:
    """Make a case of one request that opens a WebSocket, or should."""

    async def run(observed: Observation) -> None:
        websocket = await observed.websocket(f"/socket.io/?{query}&case={observed.case}", *headers)
        if websocket is not None:
            observed.add(await websocket.frame())
            await websocket.leave()

    return Case(name, run)


def packets(
    name: str,
    *sent: str | bytes,
    eio: int = 4,
    join: bool = True,
    more: Sequence[str] = (),
    marker: str = MARKER,
) -> Case:
    """Make a case of packets on a WebSocket, each in a frame of its own.

    Node joins a namespace in a later turn, so the marker follows only then. A marker that is no question ends
    the session, or nothing comes of it: then ``marker`` is empty.
    """

    async def run(observed: Observation) -> None:
        websocket = await observed.websocket(f"/socket.io/?{observed.query(eio, 'websocket', *more)}")
        assert websocket is not None
        await websocket.frame()
        if eio == 3:
            await websocket.frame()
        elif join:
            websocket.send("40")
            await websocket.frame()
        for packet in sent:
            websocket.send(packet)
        if await websocket.is_open_after_turns(observed) and marker:
            websocket.send(marker)
            await websocket.read_to_the_end(observed)
        await websocket.leave()

    return Case(f"EIO {eio}: {name}", run)


def frames(name: str, *sent: bytes, eio: int = 4) -> Case:
    """Make a case of WebSocket frames as they are, in a joined session."""

    async def run(observed: Observation) -> None:
        websocket = await observed.websocket(f"/socket.io/?{observed.query(eio, 'websocket')}")
        assert websocket is not None
        await websocket.frame()
        websocket.send("40")
        await websocket.frame()
        websocket.send_raw(b"".join(sent))
        websocket.send(MARKER)
        await websocket.read_to_the_end(observed, with_code=True)
        await websocket.leave()

    return Case(f"frames: {name}", run)


def posted(name: str, body: bytes, *headers: str, eio: int = 4, more: str = "", join: bool = True) -> Case:
    """Make a case of one POST in a polling session."""

    async def run(observed: Observation) -> None:
        sid = await observed.open_polling(eio, *([more.strip("&")] if more else []), join=join)
        response = await observed.post(sid, eio, body, *headers, more=more)
        observed.add(f"{response.status} ok" if response.body == b"ok" else f"{response.status}")
        await observed.poll_to_the_end(sid, eio, more)

    return Case(f"POST, EIO {eio}: {name}", run)


def upgrade(name: str, *sent: str | bytes, eio: int = 4) -> Case:
    """Make a case of packets on a WebSocket that names a polling session."""

    async def run(observed: Observation) -> None:
        sid = await observed.open_polling(eio)
        websocket = await observed.websocket(f"/socket.io/?EIO={eio}&transport=websocket&sid={sid}")
        assert websocket is not None
        for packet in sent:
            websocket.send(packet)
        if await websocket.is_open_after_turns(observed):
            websocket.send(MARKER)
            await websocket.read_to_the_end(observed)
        else:
            await observed.poll_to_the_end(sid, eio)
        if eio == 3 and "40" in observed.done:  # see ``add_polled``
            observed.done.remove("40")
        await websocket.leave()

    return Case(f"upgrade, EIO {eio}: {name}", run)


def websocket_headers(**changes: str | None) -> list[str]:
    """Return the headers of a WebSocket request, some of them changed or left out."""
    headers = dict(line.split(": ", 1) for line in WEBSOCKET_HEADERS)
    for name, value in changes.items():
        key = "-".join({"websocket": "WebSocket"}.get(part, part.capitalize()) for part in name.split("_"))
        if value is None:
            headers.pop(key, None)
        else:
            headers[key] = value
    return [f"{name}: {value}" for name, value in headers.items()]
