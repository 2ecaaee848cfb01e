"""The errors of clients, as the engine raises them.

Sources: RFC 6455 (https://www.rfc-editor.org/rfc/rfc6455#section-7.4) for the codes of Close frames; the
Engine.IO protocol (https://github.com/socketio/engine.io-protocol) and the Node server (engine.io,
``lib/server.ts``, ``Server.errors``) for the numbers of refused requests.
"""

from __future__ import annotations

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.core.limits import OverLimit


class Malformed(PeerError):
    """A packet, payload or frame that breaks its format. The connection that it came on is closed.

    ``close_code`` is the status code of the Close frame (RFC 6455, section 7.4.1); 1002 is a protocol error.
    """

    def __init__(self, code: str, detail: str, close_code: int = 1002) -> None:
        super().__init__(code, detail)
        self.close_code = close_code


def too_many_packets() -> Malformed:
    """Return the error for more packets than a session may send; 1008 is a violation of a policy."""
    return Malformed(codes.TOO_MANY_PACKETS, "too many packets", 1008)


class Refusal(PeerError):
    """An HTTP request that is answered with an Engine.IO error, as a JSON object.

    ``number`` is the ``code`` of that object, one of the Node server's (0 to 5). ``reason`` is Hornet's own
    stable code, for refusals that the Node server has no number for; the object has it where there is one.
    """

    def __init__(self, number: int, detail: str, status: int = 400, reason: str = "") -> None:
        super().__init__(reason or str(number), detail)
        self.number = number
        self.status = status
        self.reason = reason


def unknown_transport() -> Refusal:
    """Return the refusal of a transport that the settings don't offer: ``UNKNOWN_TRANSPORT``."""
    return Refusal(0, "Transport unknown")


def unknown_session() -> Refusal:
    """Return the refusal of a session id that no session has: ``UNKNOWN_SID``."""
    return Refusal(1, "Session ID unknown")


def bad_handshake_method() -> Refusal:
    """Return the refusal of a first request that is no GET: ``BAD_HANDSHAKE_METHOD``."""
    return Refusal(2, "Bad handshake method")


def bad_request(detail: str = "Bad request", status: int = 400) -> Refusal:
    """Return the refusal of a request that breaks a rule of the protocol: ``BAD_REQUEST``."""
    return Refusal(3, detail, status)


def stopping() -> Refusal:
    """Return the refusal of a new session while the server stops."""
    return _refusal(3, codes.STOPPING)


def foreign_page() -> Refusal:
    """Return the refusal of a page whose origin may not connect: ``FORBIDDEN``."""
    return _refusal(4, codes.ORIGIN_NOT_ALLOWED)


def over_limit(limit: OverLimit) -> Refusal:
    """Return the refusal of a new session beyond a limit of its address: ``FORBIDDEN``."""
    return _refusal(4, limit.code)


def unsupported_version() -> Refusal:
    """Return the refusal of a protocol version other than 3 and 4: ``UNSUPPORTED_PROTOCOL_VERSION``."""
    return Refusal(5, "Unsupported protocol version")


def _refusal(number: int, code: str) -> Refusal:
    row = codes.CONNECTIONS[code]
    return Refusal(number, row.sentence, row.status, code)
