"""Stock Socket.IO clients, of every version that ``js/package.json`` names, in a real Node."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.e2e.driver import JS, Driven, Driver
from tests.e2e.waiting import DEADLINE_S

ALIAS = "socket.io-client-"
ALL_VERSIONS = tuple(
    sorted(
        (
            name.removeprefix(ALIAS)
            for name in json.loads((JS / "package.json").read_text())["dependencies"]
            if name.startswith(ALIAS)
        ),
        key=lambda version: tuple(map(int, version.split("."))),
        reverse=True,
    )
)
OLDER_VERSIONS = ("1.4.8", "1.4.5")
"""Clients whose pages were written for servers that are gone. Few tests need them."""
RECOVERY_VERSIONS = ("4.6.2", "4.5.4")
"""The first client that recovers, and the last one that does not. Only tests of that need them."""
VERSIONS = tuple(version for version in ALL_VERSIONS if version not in (*OLDER_VERSIONS, *RECOVERY_VERSIONS))
LATEST = VERSIONS[0]
POLLING = ("polling",)
WEBSOCKET = ("websocket",)
UPGRADE = ("polling", "websocket")


@dataclass(frozen=True)
class Report:
    """What a client saw: ``open``, ``upgrade``, ``connect``, ``disconnect``, ``event``, ``heard``, and so on.

    ``name`` is the event's name, the transport's, or the reason, whichever the kind has.
    """

    kind: str
    name: str
    args: tuple[Any, ...]


class NodeClient:
    """One socket of a stock client. Made by ``NodeClients.connect``."""

    def __init__(self, driver: Driver, number: int) -> None:
        self._driver = driver
        self._number = number
        self._taken: Counter[tuple[str, str | None]] = Counter()
        self._changed = asyncio.Event()
        self.log: list[Report] = []

    def add(self, report: Report) -> None:
        """Note a report, and wake the tests that wait for one."""
        self.log.append(report)
        self._changed.set()

    def seen(self, kind: str, name: str | None = None) -> list[Report]:
        """Return all reports so far of that kind (and name), in order."""
        return [r for r in self.log if r.kind == kind and (name is None or r.name == name)]

    async def next(self, kind: str, name: str | None = None, deadline_s: float = DEADLINE_S) -> Report:
        """Return the next report of that kind (and name) that no call with the same arguments returned.

        Raises:
            AssertionError: no such report came in time. The text holds all reports.
        """
        key = (kind, name)
        try:
            async with asyncio.timeout(deadline_s):
                while len(reports := self.seen(kind, name)) <= self._taken[key]:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind} {name or ''} within {deadline_s} s; saw {self.log}") from None
        self._taken[key] += 1
        return reports[self._taken[key] - 1]

    async def event(self, name: str = "message", deadline_s: float = DEADLINE_S) -> Any:
        """Return the argument of the next event of that name; a JSON string is parsed, as hornet.js does."""
        args = (await self.next("event", name, deadline_s)).args
        assert len(args) == 1, f"{name} came with {len(args)} arguments"
        return json.loads(args[0]) if isinstance(args[0], str) else args[0]

    async def emit(self, name: str, *args: Any) -> None:
        await self._request("emit", name=name, args=args)

    async def call(self, name: str, *args: Any) -> Any:
        """Emit an event, and return the arguments of its acknowledgement as a list."""
        return await self._request("call", name=name, args=args)

    async def show(self, token: str, *channels: str) -> None:
        """Send classic credentials: event ``message`` with a JSON string."""
        await self.emit("message", json.dumps({"token": token, "channels": channels}))

    async def state(self) -> dict[str, Any]:
        """Return the client's view: ``id``, ``connected``, ``active``, ``recovered``, ``transport``.

        ``pid`` and ``offset`` are what the client keeps for its recovery.
        """
        state: dict[str, Any] = await self._request("state")
        return state

    async def disconnect(self) -> None:
        await self._request("disconnect")

    async def cut(self) -> None:
        """End the transport as a lost network does."""
        await self._request("cut")

    async def open(self) -> None:
        """Connect again after ``disconnect``."""
        await self._request("open")

    async def _request(self, command: str, **arguments: Any) -> Any:
        return await self._driver.request(command, client=self._number, **arguments)


class NodeClients(Driven):
    """A Node process that holds any number of clients. They end with the process."""

    def __init__(self) -> None:
        super().__init__("clients.mjs")
        self._clients: dict[int, NodeClient] = {}

    def _report(self, report: dict[str, Any]) -> None:
        self._clients[report["client"]].add(Report(report["report"], report["name"], tuple(report["args"])))

    async def open(
        self,
        url: str,
        *,
        version: str = LATEST,
        transports: tuple[str, ...] = UPGRADE,
        parser: str | None = None,
        listen: tuple[str, ...] = (),
        **options: Any,
    ) -> NodeClient:
        """Start a client and return at once. ``options`` are those of the client library's ``io()``.

        ``listen`` names events to take with ``socket.on`` beside the report of every event.
        """
        number = next(self._numbers)
        client = self._clients[number] = NodeClient(self._driver, number)
        await self._driver.request(
            "connect",
            client=number,
            version=version,
            url=url,
            parser=parser,
            listen=listen,
            options={"transports": transports, **options},
        )
        return client

    async def connect(self, url: str, **options: Any) -> NodeClient:
        """Start a client as ``open`` does, and return once it has raised ``connect``."""
        client = await self.open(url, **options)
        await client.next("connect")
        return client
