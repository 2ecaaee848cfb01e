"""Control messages: what a backend publishes on the reserved channel to Hornet itself."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import parse_json


@dataclass(frozen=True, slots=True)
class DisconnectTokens:
    """Close the sessions of these tokens on every node, for good, and kill the tokens if unused."""

    tokens: frozenset[str]


def parse_control(payload: bytes) -> DisconnectTokens:
    """The command in a control message.

    Raises:
        InvalidPublish: ``NOT_JSON``, ``NOT_AN_OBJECT``, ``UNKNOWN_CONTROL`` or ``BAD_TOKENS``.
    """
    try:
        body = parse_json(payload)
    except ValueError:
        raise InvalidPublish("NOT_JSON", "the control message is not JSON") from None
    if not isinstance(body, dict):
        raise InvalidPublish("NOT_AN_OBJECT", "the control message is JSON, but not an object")
    if body.get("type") != "disconnect_tokens":
        raise InvalidPublish("UNKNOWN_CONTROL", "the control message has no type that Hornet knows")
    tokens = body.get("tokens")
    if isinstance(tokens, str):
        tokens = [tokens]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InvalidPublish("BAD_TOKENS", "'tokens' of disconnect_tokens is not a list of tokens")
    return DisconnectTokens(frozenset(tokens))
