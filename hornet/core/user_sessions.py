"""Session ids of the backend: the id of a user's session there proves to be that user."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from hornet.core import codes
from hornet.core.channels import is_utf8_text
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import parse_user_id
from hornet.core.jsontext import dump_json

MAX_SESSION_ID_CHARS = 512
"""Frameworks make ids of 26 to 128 characters."""


@dataclass(frozen=True, slots=True)
class UserSession:
    """A ``user``, and the ``session_id`` that the client shows for the user."""

    user: str
    session_id: str = field(repr=False)

    def matches(self, registered: bytes) -> bool:
        """Return True for the id that the backend registered, in a time that tells nothing about the id."""
        return hmac.compare_digest(self.session_id.encode(), registered)


def is_session_id(value: object) -> TypeGuard[str]:
    """Return True for a non-empty string of limited length that UTF-8 can carry."""
    return isinstance(value, str) and 0 < len(value) <= MAX_SESSION_ID_CHARS and is_utf8_text(value)


class UserSessionAnswer:
    """The answer to a client that showed a user session by JSON text: an object, in event ``message``.

    The argument is JSON text, as socket-push answered, or the object itself where the client asked for its
    messages in that form.
    """

    def __init__(self, body: Mapping[str, str]) -> None:
        self._body = body

    def message_text(self) -> str:
        return dump_json(self._body)

    def event(self) -> tuple[str, object]:
        return "message", self._body


def shows_user_session(fields: Mapping[str, object]) -> bool:
    """Return True for an object with ``userId`` and ``hash`` and without ``token``, another credential."""
    return "userId" in fields and "hash" in fields and "token" not in fields


def resembles_user_session(fields: Mapping[str, object]) -> bool:
    """Return True for an object with ``userId`` or ``hash`` and without ``token``, also a malformed one."""
    return ("userId" in fields or "hash" in fields) and "token" not in fields


def parse_user_session(fields: Mapping[str, object]) -> UserSession:
    """Read ``userId`` and ``hash``.

    Raises:
        RefusedCredentials: ``WRONG_PARAMETERS`` when one is missing or malformed.
    """
    try:
        user = parse_user_id(fields.get("userId"))
    except ValueError:
        raise RefusedCredentials(codes.WRONG_PARAMETERS, "'userId' is no user id") from None
    session_id = fields.get("hash")
    if not is_session_id(session_id):
        raise RefusedCredentials(codes.WRONG_PARAMETERS, "'hash' is no session id")
    return UserSession(user, session_id)
