"""An access token of the backend's own API, and whom the backend says it belongs to."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from hornet.core import codes
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant, parse_user_id
from hornet.core.jsontext import parse_json

FIELDS = ("access_token", "accessToken")
"""Where an object carries the token: the words of RFC 6750, and the same as JavaScript writes them."""

MAX_ACCESS_TOKEN_CHARS = 4096
"""A JWT with many claims; a whole header line of common servers is 8190 bytes."""

ALL_FIELDS = "*"

_TOKEN = re.compile(r"[!-~]+")


def parse_access_token(shown: object) -> str:
    """The token, from its text or an object that carries it; safe to put into a header.

    Raises:
        RefusedCredentials: ``WRONG_PARAMETERS`` when it is neither, or no visible ASCII.
    """
    if isinstance(shown, Mapping):
        shown = next((shown[name] for name in FIELDS if name in shown), None)
    if not isinstance(shown, str) or not _TOKEN.fullmatch(shown) or len(shown) > MAX_ACCESS_TOKEN_CHARS:
        raise RefusedCredentials(
            codes.WRONG_PARAMETERS, "an access token is expected, as text or in an object"
        )
    return shown


def parse_profile(body: bytes, user_field: str, info_fields: Collection[str]) -> Grant:
    """The user that the backend describes in a JSON object.

    ``info`` has those of ``info_fields`` that are there; the whole object if ``*`` is one of them; None if
    there are none.

    Raises:
        ValueError: no such object, or no user in it; the message says what is wrong.
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
