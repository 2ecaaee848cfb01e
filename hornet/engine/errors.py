"""How the engine says that a client did something wrong."""

from __future__ import annotations

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.core.limits import OverLimit


class Malformed(PeerError):
    """A packet, payload or frame that breaks its format; the connection it came on is closed.

    ``close_code`` is what a WebSocket is closed with (RFC 6455, section 7.4.1).
    """

    def __init__(self, code: str, detail: str, close_code: int = 1002) -> None:
        super().__init__(code, detail)
        self.close_code = close_code


def too_many_packets() -> Malformed:
    """More packets than a session may send; 1008 is a policy's violation."""
    return Malformed(codes.TOO_MANY_PACKETS, "too many packets", 1008)


class Refusal(PeerError):
    """An HTTP request that is answered with an Engine.IO error.

    ``number`` is the error code of the Engine.IO protocol; it is the ``code`` of the JSON body. ``reason`` is
    our own stable code for what the protocol has no number of; it is in the body where there is one.
    """

    def __init__(self, number: int, detail: str, status: int = 400, reason: str = "") -> None:
        super().__init__(reason or str(number), detail)
        self.number = number
        self.status = status
        self.reason = reason


def unknown_transport() -> Refusal:
    return Refusal(0, "Transport unknown")


def unknown_session() -> Refusal:
    return Refusal(1, "Session ID unknown")


def bad_handshake_method() -> Refusal:
    return Refusal(2, "Bad handshake method")


def bad_request(detail: str = "Bad request", status: int = 400) -> Refusal:
    return Refusal(3, detail, status)


def stopping() -> Refusal:
    return _refusal(3, codes.STOPPING)


def foreign_page() -> Refusal:
    return _refusal(4, codes.ORIGIN_NOT_ALLOWED)


def over_limit(limit: OverLimit) -> Refusal:
    return _refusal(4, limit.code)


def unsupported_version() -> Refusal:
    return Refusal(5, "Unsupported protocol version")


def _refusal(number: int, code: str) -> Refusal:
    row = codes.CONNECTIONS[code]
    return Refusal(number, row.sentence, row.status, code)
