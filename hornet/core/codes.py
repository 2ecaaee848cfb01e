"""The table of all codes that a client, a caller of the HTTP API or an operator may see and match on.

A code is a constant, a plain ``str``. Its row names its audience and its meaning. A code that several
audiences see has a row for each of them, since each gets another sentence. The rows of an audience are in
the order of its table in docs/reference, which is generated from here.

Codes are part of the contract and never change; sentences are for people and may. Two kinds of code are not
here: those of plug-ins (``CommandError``, and credentials that an operator's authenticator refuses), and why
a session ended (``hornet.engine.Reason``), which are the words of Socket.IO.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """The meaning of one code for one audience.

    ``meaning`` says in Markdown what happened, for the reference pages.
    """

    name: str
    meaning: str
    again: str = ""
    """Whether trying again helps, and how; empty where that is not possible."""
    sentence: str = ""
    """The text that is sent with the code; empty where each place has its own text, or none is sent."""
    status: int = 0
    """The HTTP status; 0 where it is not answered by HTTP."""
    closes: bool = False
    """Whether the session or the connection ends."""


MESSAGES: dict[str, Code] = {}
"""For clients: ``error`` of the error message, and of the acknowledgement of ``user:authenticate``.

Counted in ``hornet_refusals_total``.
"""

ACKNOWLEDGEMENTS: dict[str, Code] = {}
"""For clients: the code in the acknowledgement of an event. Counted in ``hornet_refusals_total``."""

CONNECTIONS: dict[str, Code] = {}
"""For clients that have no session, by HTTP. Counted in ``hornet_connections_refused_total``, and logged."""

PROBLEMS: dict[str, Code] = {}
"""For callers of the HTTP API; ``sentence`` is the title. Counted in ``hornet_api_refusals_total``."""

COMPATIBLE: dict[str, Code] = {}
"""For operators: refusals of the routes that stand in for other servers, in ``hornet_api_refusals_total``."""

DEMO: dict[str, Code] = {}
"""For visitors of the try-it page, who see a sentence instead of the code."""

DROPS: dict[str, Code] = {}
"""For operators: why a publish was dropped, in ``hornet_messages_dropped_total`` and the log."""

FAULTS: dict[str, Code] = {}
"""For operators: the ``fault`` in ``hornet_malformed_packets_total``. Each ends the connection."""

AUDIENCES = (MESSAGES, ACKNOWLEDGEMENTS, CONNECTIONS, PROBLEMS, COMPATIBLE, DEMO, DROPS, FAULTS)


def _add(table: dict[str, Code], code: Code) -> str:
    assert code.name not in table, code.name
    table[code.name] = code
    return code.name


def _message(name: str, sentence: str, meaning: str, again: str, *, closes: bool = False) -> str:
    return _add(MESSAGES, Code(name, meaning, again, sentence, closes=closes))


def _acknowledgement(name: str, sentence: str, meaning: str, again: str) -> str:
    return _add(ACKNOWLEDGEMENTS, Code(name, meaning, again, sentence))


def _connection(
    name: str, status: int, sentence: str, meaning: str, again: str, *, closes: bool = False
) -> str:
    return _add(CONNECTIONS, Code(name, meaning, again, sentence, status, closes))


def _problem(name: str, status: int, sentence: str, again: str) -> str:
    return _add(PROBLEMS, Code(name, sentence, again, sentence, status))


def _compatible(name: str, status: int, meaning: str) -> str:
    return _add(COMPATIBLE, Code(name, meaning, status=status))


def _demo(name: str, status: int, meaning: str, again: str) -> str:
    return _add(DEMO, Code(name, meaning, again, status=status))


def _drop(name: str, meaning: str) -> str:
    return _add(DROPS, Code(name, meaning))


def _fault(name: str, meaning: str) -> str:
    return _add(FAULTS, Code(name, meaning, closes=True))


# fmt: off

# Error messages ----------------------------------------------------------------------------------

_GRANT_IT = "the operator must [grant the right](../topics/security.md#what-the-nodes-user-needs)"
_LATER = "yes, a little later"

INVALID_TOKEN = _message("INVALID_TOKEN", "Invalid token used, please get a new token",
    "the token does not exist: expired, used, revoked, or never made", "with a new token")
WRONG_TOKEN_ASSOCIATION = _message("WRONG_TOKEN_ASSOCIATION",
    "Token is not associated to one of the requested channels",
    "the token does not open one of the channels, or one of them is `hornet`", "with channels that it opens")
WRONG_PARAMETERS = _message("WRONG_PARAMETERS",
    "Wrong parameters: connect with a token and the channels to subscribe to",
    "not JSON, a field missing or malformed; `errorMsg` says which", "no, correct the page")
UNAVAILABLE = _message("UNAVAILABLE", "Tokens can't be checked right now, please try again",
    "Redis does not answer", _LATER)
REFUSED_BY_REDIS = _message("REFUSED_BY_REDIS",
    "Redis does not permit this to Hornet; the operator can change that",
    f"Redis does not permit Hornet to listen there; {_GRANT_IT}. The token is used up",
    "once that is done, with a new token")
TOO_MANY_CHANNELS = _message("TOO_MANY_CHANNELS", "A session may not have so many channels",
    "the session would hold more than `--max-channels-per-session`; the token is not used up",
    "with fewer channels")
TOO_MANY_EVENTS = _message("TOO_MANY_EVENTS", "Events come too fast, please slow down",
    "the session sends more than `--max-event-rate`; at six times the rate it is closed", "more slowly")
AUTHENTICATION_TIMEOUT = _message("AUTHENTICATION_TIMEOUT", "No valid token was shown in time",
    "no valid token within the timeout", "connect again, with a token", closes=True)
TOKEN_REVOKED = _message("TOKEN_REVOKED", "The backend disconnected this token",
    "the backend ended this token", "connect again, with a new token", closes=True)
TOO_MANY_ATTEMPTS = _message("TOO_MANY_ATTEMPTS", "Too many failed attempts",
    "`--max-attempts` failures in a row, other than with tokens", "connect again, with a valid credential",
    closes=True)
INVALID_IDENTITY = _message("INVALID_IDENTITY", "The proxy in front of Hornet names no valid user",
    "the [proxy](../howto/authentication.md#a-proxys-headers) in front names no valid user",
    "once the operator has corrected the proxy")
OTHER_USER = _message("OTHER_USER", "This connection is another user's, who has to log out first",
    "the token belongs to another user than the session", "after `user:logout`")
TOO_MANY_USER_SESSIONS = _message("TOO_MANY_USER_SESSIONS", "This user is connected too many times",
    "the token's user has too many sessions, `--user-sessions`", "once one of them has ended")
USER_DISCONNECTED = _message("USER_DISCONNECTED", "The backend disconnected this user",
    "the backend ended the sessions of this user", "connect again, if the backend gives a new credential",
    closes=True)
INVALID_ACCESS_TOKEN = _message("INVALID_ACCESS_TOKEN", "The backend does not accept the access token",
    "the backend does not accept the access token", "with a new access token")
BACKEND_UNAVAILABLE = _message("BACKEND_UNAVAILABLE",
    "The backend can't be asked right now, please try again",
    "the backend does not answer, or its answer names no user", _LATER)
INVALID_SESSION = _message("INVALID_SESSION", "No such user session is registered",
    "no such user session is registered", "once the backend has registered it")

# Acknowledgements --------------------------------------------------------------------------------

NOT_AUTHENTICATED = _acknowledgement("NOT_AUTHENTICATED", "Show a valid credential first",
    "the session has shown no valid credential yet", "after a valid credential")
_acknowledgement(WRONG_PARAMETERS, "", "the argument is not as above", "no, correct the page")
BAD_CHANNEL = _acknowledgement("BAD_CHANNEL", "",
    "the name is not a channel's (1 to 512 characters), or it is the reserved `hornet`", "no")
BAD_PATTERN = _acknowledgement("BAD_PATTERN", "",
    "the argument is not a [pattern](../howto/patterns.md)", "no")
BAD_POSITION = _acknowledgement("BAD_POSITION", "",
    "`since` or `before` is no position as Hornet gives them", "without it, or with a valid one")
BAD_PRESENCE = _acknowledgement("BAD_PRESENCE", "",
    "the presence data is no JSON object, is too long, or has an `id` that is no text", "no")
BAD_MESSAGE = _acknowledgement("BAD_MESSAGE", "",
    "`type` or `message` is malformed, or Hornet's own", "no")
TOO_LARGE = _acknowledgement("TOO_LARGE", "",
    "the message, or what the event carries, is longer than `--max-publish`", "in parts")
SIGNATURE_REQUIRED = _acknowledgement("SIGNATURE_REQUIRED", "",
    "the channel is private, and the signature is missing", "with a signature")
BAD_SIGNATURE = _acknowledgement("BAD_SIGNATURE", "",
    "the signature is for another session or channel, or was made with a secret that Hornet does not have",
    "with a new signature")
NO_CHANNEL_SECRET = _acknowledgement("NO_CHANNEL_SECRET",
    "This server has no secret to check signatures with: its operator has to set channel_secrets",
    "no secret is configured (`channel_secrets`), so Hornet can check no signature",
    "once the operator has set it")
FORBIDDEN = _acknowledgement("FORBIDDEN", "",
    "the channel or pattern is not public, or nothing lets the session publish there",
    "with a token that names it")
_acknowledgement(INVALID_TOKEN, MESSAGES[INVALID_TOKEN].sentence, "as [above](#errors)", "with a new token")
_acknowledgement(WRONG_TOKEN_ASSOCIATION, MESSAGES[WRONG_TOKEN_ASSOCIATION].sentence, "as [above](#errors)",
    "with a token that opens it")
NOT_A_MEMBER = _acknowledgement("NOT_A_MEMBER", "The session is no member of this channel",
    "the session is no member of this channel", "once it is a member")
TOO_MANY_MEMBERS = _acknowledgement("TOO_MANY_MEMBERS", "",
    "the channel has as many as `--max-members` says", "once one has left")
NOT_SUBSCRIBED = _acknowledgement("NOT_SUBSCRIBED", "", "the session has no such subscription", "no")
_acknowledgement(TOO_MANY_CHANNELS, "", "the session has as many channels as it may", "after leaving one")
TOO_MANY_PATTERNS = _acknowledgement("TOO_MANY_PATTERNS", "",
    "the session has as many patterns as it may, or the server listens to as many kinds as it can",
    "after leaving one")
UNKNOWN_COMMAND = _acknowledgement("UNKNOWN_COMMAND", "No command has this name",
    "no plug-in has a command of this name", "no")
INVALID_DATA = _acknowledgement("INVALID_DATA", "",
    "the command does not take this data; `message` says why", "with other data")
TOO_MANY_COMMANDS = _acknowledgement("TOO_MANY_COMMANDS", "",
    "as many commands of the session run as `--max-commands` allows", "once one has been answered")
COMMAND_TIMEOUT = _acknowledgement("COMMAND_TIMEOUT", "The command took too long",
    "the command took longer than `--command-timeout`", "the plug-in's documentation says")
COMMAND_FAILED = _acknowledgement("COMMAND_FAILED",
    "The command failed; what went wrong is in the server's log",
    "the plug-in failed; the reason is in the server's log", "once the operator has mended it")
RATE_LIMITED = _acknowledgement("RATE_LIMITED", "",
    "the session publishes faster than `--max-publish-rate`, calls commands faster than "
    "`--max-command-rate`, asks for members faster than `--max-presence-rate`, or for the past faster than "
    "`--max-history-rate`", "more slowly")
_acknowledgement(TOO_MANY_EVENTS, MESSAGES[TOO_MANY_EVENTS].sentence,
    "the session sends faster than `--max-event-rate`", "more slowly")
SESSION_ENDED = _acknowledgement("SESSION_ENDED", "The session ended meanwhile",
    "the session ended, or its token was revoked, while Hornet handled the event", "on a new connection")
_acknowledgement(UNAVAILABLE, "Hornet can't do that now, please try again", "Redis does not answer", _LATER)
_acknowledgement(REFUSED_BY_REDIS, MESSAGES[REFUSED_BY_REDIS].sentence,
    f"Redis does not permit Hornet to listen there; {_GRANT_IT}", "once that is done")
UNKNOWN_EVENT = _acknowledgement("UNKNOWN_EVENT", "Hornet has no such event",
    "Hornet has no event of this name", "no")

# Refused connections and requests ----------------------------------------------------------------

_NAME_THE_PROXY = "if the address is a proxy, [name it](../howto/proxy.md#tell-hornet-about-the-proxy)"

ORIGIN_NOT_ALLOWED = _connection("ORIGIN_NOT_ALLOWED", 403,
    "pages of this origin may not connect (see allowed_origins)", "the page comes from another host",
    "once its origin is in [`allowed_origins`](../topics/security.md#origins)")
TOO_MANY_SESSIONS = _connection("TOO_MANY_SESSIONS", 429, "too many sessions from this address",
    "more sessions than `max_sessions_per_address`", f"once one has ended; {_NAME_THE_PROXY}")
TOO_MANY_CONNECTIONS = _connection("TOO_MANY_CONNECTIONS", 429,
    "too many connections at once from this address", "new sessions come faster than `max_connect_rate`",
    f"yes, a second later; {_NAME_THE_PROXY}")
STOPPING = _connection("STOPPING", 503, "the server is stopping", "the node stops", "on another node")
TOO_MANY_REQUESTS = _connection("TOO_MANY_REQUESTS", 429, "too many requests from this address",
    "requests come faster than `max_request_rate`", f"yes, a second later; {_NAME_THE_PROXY}", closes=True)
DISGUISED_PATH = _connection("DISGUISED_PATH", 404, "there is no such path",
    "a percent sign in the first part of the path", "no", closes=True)
REPEATED_HEADER = _connection("REPEATED_HEADER", 400, "a header came twice that may come once",
    "two lines of `Content-Encoding`", "no", closes=True)
UNKNOWN_HOST = _connection("UNKNOWN_HOST", 403, "the Host header is no known name of this server",
    "a page was asked for under a host name that is not in `allowed_hosts`", "once the name is allowed")
SERVER_FULL = _connection("SERVER_FULL", 503, "", "all connections are taken, `max_connections`",
    _LATER, closes=True)
ADDRESS_FULL = _connection("ADDRESS_FULL", 429, "",
    "more connections than `max_connections_per_address`", f"once one has ended; {_NAME_THE_PROXY}",
    closes=True)
HANDSHAKE_TIMEOUT = _connection("HANDSHAKE_TIMEOUT", 408, "",
    "no whole request within `handshake_timeout`", "yes", closes=True)
TOO_MUCH_UNFINISHED = _connection("TOO_MUCH_UNFINISHED", 503, "",
    "too many connections have sent half a request, or requests behind a poll, `max_unauthenticated_held`",
    _LATER, closes=True)
HEAD_TOO_BIG = _connection("HEAD_TOO_BIG", 431, "", "a head of more than 32 KiB", "with fewer cookies",
    closes=True)

# The HTTP API ------------------------------------------------------------------------------------

_CORRECT_IT = "no, correct the request"

NOT_JSON = _problem("NOT_JSON", 400, "The body is not JSON", _CORRECT_IT)
INVALID_REQUEST = _problem("INVALID_REQUEST", 400, "The request is not what the operation takes", _CORRECT_IT)
INVALID_IDEMPOTENCY_KEY = _problem("INVALID_IDEMPOTENCY_KEY", 400,
    "The Idempotency-Key is not 1 to 255 visible ASCII characters", _CORRECT_IT)
RESERVED_CHANNEL = _problem("RESERVED_CHANNEL", 400, "The channel is Hornet's own", "no")
_problem(BAD_PATTERN, 400, "The pattern is not a set of keys and values to publish to", _CORRECT_IT)
_problem(BAD_POSITION, 400, "A position is not a text as Hornet gives it", _CORRECT_IT)
KEY_MISSING = _problem("KEY_MISSING", 401, "The request has no bearer key", "with a key")
KEY_UNKNOWN = _problem("KEY_UNKNOWN", 401, "The bearer key is not one of this server's", "with another key")
RIGHT_MISSING = _problem("RIGHT_MISSING", 403,
    "The key does not have the right that the operation needs", "with another key")
NOT_LOCAL = _problem("NOT_LOCAL", 403,
    "No key is configured, so the API answers only programs on the server's machine",
    "once a key is configured")
CROSS_SITE = _problem("CROSS_SITE", 403, "The request comes from a web page of another origin", "no")
NOT_FOUND = _problem("NOT_FOUND", 404, "There is no such thing", "no")
METHOD_NOT_ALLOWED = _problem("METHOD_NOT_ALLOWED", 405, "The path has no operation of that method", "no")
UNSUPPORTED_VERSION = _problem("UNSUPPORTED_VERSION", 406,
    "This server does not speak that version of the API", "with a version that it speaks")
BODY_TIMEOUT = _problem("BODY_TIMEOUT", 408, "The body did not arrive in time", "yes")
_problem(TOO_LARGE, 413, "The request is larger than the server takes", "in several requests, or in parts")
NOT_JSON_TYPE = _problem("NOT_JSON_TYPE", 415, "The body is not declared as application/json", _CORRECT_IT)
IDEMPOTENCY_KEY_REUSED = _problem("IDEMPOTENCY_KEY_REUSED", 422,
    "The Idempotency-Key was used for another request", "with another key")
BAD_CONFIGURATION = _problem("BAD_CONFIGURATION", 422,
    "The configuration can't be read or is wrong; nothing has changed", "once it is corrected")
_problem(TOO_MANY_REQUESTS, 429, "The key makes more requests than it may", "after `Retry-After`")
FAILED = _problem("FAILED", 500, "The server failed; the fault is its own", "no, report it: the log has more")
_problem(UNAVAILABLE, 503, "Redis is unavailable; it is not known whether all was done",
    "after `Retry-After`, safely with an `Idempotency-Key`")

PUSHY_400 = _compatible("PUSHY_400", 400, "a trigger without a parameter, or one that can't be read")
PUSHY_403 = _compatible("PUSHY_403", 403, "a trigger whose signature is wrong")
PUSHY_413 = _compatible("PUSHY_413", 413, "a trigger whose body is too large")
PUSHY_501 = _compatible("PUSHY_501", 403, "a trigger whose time stamp is too old or too new")
PUSHY_503 = _compatible("PUSHY_503", 503, "a trigger while Redis is unavailable")
REALIZEHIT_400 = _compatible("REALIZEHIT_400", 400, "a publish without a pattern or a payload")

# The try-it page ---------------------------------------------------------------------------------

BAD_TEXT = _demo("BAD_TEXT", 400, "the text is empty, too long or no text", "with another text")
TOO_FAST = _demo("TOO_FAST", 429, "visitors ask for more than the page's share", "a second later")

# Dropped publishes -------------------------------------------------------------------------------

_drop(NOT_JSON, "not JSON, not UTF-8, nested too deeply, or holding a number that JSON has no text for "
    "(`NaN`, `Infinity`, `1e999`)")
NOT_AN_OBJECT = _drop("NOT_AN_OBJECT", "JSON, but not an object")
NO_TYPE = _drop("NO_TYPE", "no `type`, or one that is not a string")
_drop(TOO_LARGE, "longer than `--max-message`")
BAD_NOTICE = _drop("BAD_NOTICE", "on `hornet:presence:*`: a message that no node wrote")
BAD_ADDRESS = _drop("BAD_ADDRESS", "`only` or `except` is neither a token nor a list of tokens")
NOT_A_REQUEST = _drop("NOT_A_REQUEST", "on `socketio`: not in the form of python-socketio's managers")
NOT_AN_EMIT = _drop("NOT_AN_EMIT", "on `socket.io#/#*`: not in the form of Socket.IO's emitters")
_drop(UNKNOWN_COMMAND, "a command about a user that Hornet does not know")
BAD_EVENT = _drop("BAD_EVENT", "a notification's event has a name that can't be sent to clients")
UNKNOWN_CONTROL = _drop("UNKNOWN_CONTROL", "a control message without a `type` that Hornet knows")
BAD_TOKENS = _drop("BAD_TOKENS", "`tokens` of `disconnect_tokens` is not a list of tokens")

# Malformed packets (https://www.rfc-editor.org/rfc/rfc6455#section-5) -----------------------------

_LIMITS = "more than the [limits](limits.md#what-a-client-sends)"

BAD_HTTP = _fault("bad_http", "no HTTP, or ambiguous HTTP: two lengths, a length and chunks, a header twice")
NOT_MASKED = _fault("not_masked", "a WebSocket frame without a mask (RFC 6455, section 5.1)")
RESERVED_BIT = _fault("reserved_bit", "a WebSocket frame with a reserved bit (RFC 6455, section 5.2)")
BAD_CONTROL = _fault("bad_control",
    "a control frame that is unknown, fragmented or too long (RFC 6455, section 5.5)")
BAD_FRAGMENT = _fault("bad_fragment",
    "a WebSocket frame of unknown kind, or out of order (RFC 6455, section 5.4)")
BAD_CLOSE = _fault("bad_close", "a Close frame with a wrong code (RFC 6455, section 7.4)")
BAD_DEFLATE = _fault("bad_deflate", "a compressed message that can't be read")
BAD_UTF8 = _fault("bad_utf8", "text that is not UTF-8")
BAD_BASE64 = _fault("bad_base64", "a binary packet that is not base64")
BAD_LENGTH = _fault("bad_length", "a payload of Engine.IO with a wrong length")
BAD_TYPE = _fault("bad_type", "a packet of Engine.IO of a type that clients don't send")
EMPTY_PACKET = _fault("empty_packet", "a payload or packet of Engine.IO without content")
BAD_PACKET = _fault("bad_packet", "no Socket.IO packet")
BAD_JSON = _fault("bad_json", "a Socket.IO packet whose data is not JSON")
BAD_MSGPACK = _fault("bad_msgpack", "a Socket.IO packet that is not MessagePack")
ALREADY_CONNECTED = _fault("connected", "a second connect packet for a namespace")
NOT_CONNECTED = _fault("not_connected", "a packet for a namespace that was not joined")
TOO_BIG = _fault("too_big", f"{_LIMITS}: bytes")
TOO_DEEP = _fault("too_deep", f"{_LIMITS}: levels")
TOO_MANY_ATTACHMENTS = _fault("too_many_attachments", f"{_LIMITS}: attachments")
TOO_MANY_PACKETS = _fault("too_many_packets", f"{_LIMITS}: packets")
TOO_MANY_CONTAINERS = _fault("too_many_containers", f"{_LIMITS}: lists and objects in a message")
TOO_MANY_BYTES = _fault("too_many_bytes", f"{_LIMITS}: bytes a second, without a valid credential")
TOO_MUCH_HELD = _fault("too_much_held", f"{_LIMITS}: unfinished data, without a valid credential")
TOO_SLOW = _fault("too_slow", f"{_LIMITS}: time for the body of a POST")

# fmt: on
