"""Hornet's own messages to a client, on the reserved channel, in the words of the Node server."""

from __future__ import annotations

from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.errors import RefusedCredentials
from hornet.core.messages import Message

CONNECTED = Message(CONTROL_CHANNEL, {"type": "connected", "channel": CONTROL_CHANNEL, "msg": "CONNECTED"})
SHUTDOWN = Message(CONTROL_CHANNEL, {"type": "shutdown", "channel": CONTROL_CHANNEL, "msg": "SHUTDOWN"})


def error(code: str, detail: str = "", channels: tuple[str, ...] = ()) -> Message:
    """Return the error message for ``code``, with ``detail`` behind the sentence of the code.

    For a code that is not Hornet's own, ``detail`` is the whole sentence. ``channels`` are those that are the
    reason; the message of the Node server had no such field.
    """
    row = codes.MESSAGES.get(code)
    sentence = row.sentence if row else ""
    text = f"{sentence} ({detail})" if sentence and detail else sentence or detail
    body = {"type": "error", "channel": CONTROL_CHANNEL, "error": code, "errorMsg": text}
    return Message(CONTROL_CHANNEL, {**body, "channels": list(channels)} if channels else body)


def gap(
    channels: tuple[str, ...], patterns: tuple[str, ...], has_notifications: bool, *, reason: str
) -> Message:
    """Return the notice that messages may be missing: of channels, of patterns, notifications of the user."""
    body: dict[str, object] = {
        "type": "gap",
        "channel": CONTROL_CHANNEL,
        "channels": list(channels),
        "reason": reason,
    }
    if patterns:
        body["patterns"] = list(patterns)
    if has_notifications:
        body["notifications"] = True
    return Message(CONTROL_CHANNEL, body)


def refused(code: str) -> RefusedCredentials:
    """Return the refusal for a code of Hornet's own, with the sentence of the code."""
    return RefusedCredentials(code, codes.MESSAGES[code].sentence)


def refusal(attempt: RefusedCredentials) -> Message:
    """Return the error message for a refused attempt.

    Only malformed credentials, and codes that are not Hornet's own, are explained in detail: a client with a
    wrong token must not learn which tokens and channels exist. The channels that a token does not open are
    named, since the client itself asked for them.
    """
    is_explained = attempt.code == codes.WRONG_PARAMETERS or attempt.code not in codes.MESSAGES
    return error(attempt.code, attempt.detail if is_explained else "", attempt.channels)


def error_acknowledgement(code: str, message: str = "") -> dict[str, object]:
    """Return the acknowledgement of a refused event; without a message, with the sentence of the code."""
    return {"error": {"code": code, "message": message or codes.ACKNOWLEDGEMENTS[code].sentence}}
