"""What Hornet itself says to a client: messages of the reserved channel, in the Node server's words."""

from __future__ import annotations

from hornet.core import limits
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.errors import RefusedCredentials
from hornet.core.messages import Message

INVALID_TOKEN = "INVALID_TOKEN"
WRONG_TOKEN_ASSOCIATION = "WRONG_TOKEN_ASSOCIATION"
WRONG_PARAMETERS = "WRONG_PARAMETERS"
UNAVAILABLE = "UNAVAILABLE"
AUTHENTICATION_TIMEOUT = "AUTHENTICATION_TIMEOUT"
TOKEN_REVOKED = "TOKEN_REVOKED"
TOO_MANY_CHANNELS = limits.TOO_MANY_CHANNELS
TOO_MANY_EVENTS = limits.TOO_MANY_EVENTS

EXPLANATIONS = {
    INVALID_TOKEN: "Invalid token used, please get a new token",
    WRONG_TOKEN_ASSOCIATION: "Token is not associated to one of the requested channels",
    WRONG_PARAMETERS: "Wrong parameters: connect with a token and the channels to subscribe to",
    UNAVAILABLE: "Tokens can't be checked right now, please try again",
    AUTHENTICATION_TIMEOUT: "No valid token was shown in time",
    TOKEN_REVOKED: "The backend disconnected this token",
    TOO_MANY_CHANNELS: "A session may not have so many channels",
    TOO_MANY_EVENTS: "Events come too fast, please slow down",
}
"""One sentence per code; the codes are part of the contract, the sentences are for people."""

CONNECTED = Message(CONTROL_CHANNEL, {"type": "connected", "channel": CONTROL_CHANNEL, "msg": "CONNECTED"})
SHUTDOWN = Message(CONTROL_CHANNEL, {"type": "shutdown", "channel": CONTROL_CHANNEL, "msg": "SHUTDOWN"})


def error(code: str, detail: str = "") -> Message:
    """The error message for ``code``; ``detail`` is added to the explanation where it helps its reader."""
    text = f"{EXPLANATIONS[code]} ({detail})" if detail else EXPLANATIONS[code]
    return Message(
        CONTROL_CHANNEL, {"type": "error", "channel": CONTROL_CHANNEL, "error": code, "errorMsg": text}
    )


def refusal(why: RefusedCredentials) -> Message:
    """The answer to a refused attempt. Only malformed credentials are explained in detail: a caller with a
    wrong token learns nothing about what exists."""
    return error(why.code, why.detail if why.code == WRONG_PARAMETERS else "")
