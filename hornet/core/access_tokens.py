"""Access tokens of the backend's own API, and the user to whom the backend says that a token belongs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from hornet.core import codes
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant, parse_user_id
from hornet.core.jsontext import parse_json

FIELDS = ("access_token", "accessToken")
"""The fields of an object that may carry the token: its name in OAuth 2.0 (RFC 6750,
https://www.rfc-editor.org/rfc/rfc6750#section-2.2), and JavaScript's spelling of that name."""

MAX_ACCESS_TOKEN_CHARS = 4096
"""Enough for a JWT with many claims; common servers limit a whole header line to 8190 bytes."""

ALL_FIELDS = "*"

_TOKEN = re.compile(r"[!-~]+")


def parse_access_token(value: object) -> str:
    """Return the token, from its text or an object that carries it; it is safe to put into a header.

    Raises:
        RefusedCredentials: ``WRONG_PARAMETERS`` when it is neither, or not visible ASCII.
    """
    if isinstance(value, Mapping):
        value = next((value[name] for name in FIELDS if name in value), None)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value) or len(value) > MAX_ACCESS_TOKEN_CHARS:
        raise RefusedCredentials(
            codes.WRONG_PARAMETERS, "an access token is expected, as text or in an object"
        )
    return value


def parse_profile(body: bytes, user_field: str, info_fields: Collection[str]) -> Grant:
    """Return the user that the backend describes in a JSON object.

    ``info`` has those of ``info_fields`` that are in the object, the whole object if ``*`` is among them, or
    None if there are none.

    Raises:
        ValueError: ``body`` is no such object, or names no user; the message says what is wrong.
    """
    profile = parse_json(body)
    if not isinstance(profile, dict):
        raise ValueError("the answer is no JSON object")
    if user_field not in profile:
        raise ValueError(f"the answer has no {user_field!r}")
    user = parse_user_id(profile[user_field])
    if ALL_FIELDS in info_fields:
        return Grant(user, profile)
    info = {name: profile[name] for name in info_fields if name in profile}
    return Grant(user, info or None)
