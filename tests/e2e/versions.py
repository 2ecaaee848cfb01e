"""What differs between the versions of socket.io-client, and what a test does not want to know of it."""

from typing import Any

from tests.e2e.node_client import POLLING, UPGRADE, VERSIONS, WEBSOCKET

TRANSPORTS = {"polling": POLLING, "websocket": WEBSOCKET, "upgrade": UPGRADE}


def major(version: str) -> int:
    return int(version.partition(".")[0])


def sends_auth(version: str) -> bool:
    """The ``auth`` payload came with Socket.IO 3."""
    return major(version) >= 3


def msgpack_parser(version: str) -> str | None:
    """The npm package of the MessagePack parser for a client; None for 1.x, which takes no other parser."""
    if major(version) >= 3:
        return "socket.io-msgpack-parser"
    return "socket.io-msgpack-parser-2.2.1" if major(version) == 2 else None


MSGPACK_VERSIONS = tuple(version for version in VERSIONS if msgpack_parser(version))


def shown_at_connect(version: str, token: str, channel: str, **wishes: str) -> dict[str, Any]:
    """Options that show credentials while connecting: in ``auth``, or in the query where there is none."""
    fields = {"token": token, "channel": channel, **wishes}
    return {"auth": fields} if sends_auth(version) else {"query": fields}


def with_msgpack(version: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a client with the MessagePack parser.

    Up to 2.x the server speaks first, so the client says in its query which parser it has.
    """
    if not sends_auth(version):
        options = {**options, "query": {**options.get("query", {}), "parser": "msgpack"}}
    return {**options, "version": version, "parser": msgpack_parser(version)}
