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
REFUSED_BY_REDIS = "REFUSED_BY_REDIS"
AUTHENTICATION_TIMEOUT = "AUTHENTICATION_TIMEOUT"
TOKEN_REVOKED = "TOKEN_REVOKED"
INVALID_ACCESS_TOKEN = "INVALID_ACCESS_TOKEN"
BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
INVALID_SESSION = "INVALID_SESSION"
INVALID_IDENTITY = "INVALID_IDENTITY"
TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
TOO_MANY_CHANNELS = limits.TOO_MANY_CHANNELS
TOO_MANY_EVENTS = limits.TOO_MANY_EVENTS
OTHER_USER = "OTHER_USER"
TOO_MANY_USER_SESSIONS = "TOO_MANY_USER_SESSIONS"
USER_DISCONNECTED = "USER_DISCONNECTED"

EXPLANATIONS = {
    INVALID_TOKEN: "Invalid token used, please get a new token",
    WRONG_TOKEN_ASSOCIATION: "Token is not associated to one of the requested channels",
    WRONG_PARAMETERS: "Wrong parameters: connect with a token and the channels to subscribe to",
    UNAVAILABLE: "Tokens can't be checked right now, please try again",
    REFUSED_BY_REDIS: "Redis does not permit this to Hornet; the operator can change that",
    AUTHENTICATION_TIMEOUT: "No valid token was shown in time",
    TOKEN_REVOKED: "The backend disconnected this token",
    INVALID_ACCESS_TOKEN: "The backend does not accept the access token",
    BACKEND_UNAVAILABLE: "The backend can't be asked right now, please try again",
    INVALID_SESSION: "No such user session is registered",
    INVALID_IDENTITY: "The proxy in front of Hornet names no valid user",
    TOO_MANY_ATTEMPTS: "Too many failed attempts",
    TOO_MANY_CHANNELS: "A session may not have so many channels",
    TOO_MANY_EVENTS: "Events come too fast, please slow down",
    OTHER_USER: "This connection is another user's, who has to log out first",
    TOO_MANY_USER_SESSIONS: "This user is connected too many times",
    USER_DISCONNECTED: "The backend disconnected this user",
}
"""One sentence per code; the codes are part of the contract, the sentences are for people."""

CONNECTED = Message(CONTROL_CHANNEL, {"type": "connected", "channel": CONTROL_CHANNEL, "msg": "CONNECTED"})
SHUTDOWN = Message(CONTROL_CHANNEL, {"type": "shutdown", "channel": CONTROL_CHANNEL, "msg": "SHUTDOWN"})


def error(code: str, detail: str = "") -> Message:
    """The error message for ``code``; ``detail`` is added to the explanation where it helps its reader.

    For a code that is not Hornet's own, ``detail`` is the explanation.
    """
    known = EXPLANATIONS.get(code)
    text = f"{known} ({detail})" if known and detail else known or detail
    return Message(
        CONTROL_CHANNEL, {"type": "error", "channel": CONTROL_CHANNEL, "error": code, "errorMsg": text}
    )


def refused(code: str) -> RefusedCredentials:
    """The refusal for a code of Hornet's own, with the sentence that explains it."""
    return RefusedCredentials(code, EXPLANATIONS[code])


def refusal(why: RefusedCredentials) -> Message:
    """The answer to a refused attempt. Only malformed credentials are explained in detail: a caller with a
    wrong token learns nothing about what exists."""
    is_told = why.code == WRONG_PARAMETERS or why.code not in EXPLANATIONS
    return error(why.code, why.detail if is_told else "")
