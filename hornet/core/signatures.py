"""Signatures for private channels: made by the backend and checked here, without state on either side.

The signed text is ``<connection id>:<channel, lower case>``, followed by ``:<presence JSON>`` where the
client becomes a member of the channel. A signature therefore admits one session to one channel, under one
name. There are two schemes, and the beginning of a signature shows its scheme:

``<64 hex digits>``
    SHA-256 over the signed text, ``:`` and the secret. The form of older backends, some of which sign the
    presence JSON encoded once more: as the JSON of a text that holds it. Either is accepted.
``hmac-sha256:<64 hex digits>``
    HMAC-SHA256 (RFC 2104, https://www.rfc-editor.org/rfc/rfc2104#section-2) over the signed text, with the
    secret as its key. The choice for new code.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from hornet.core.channels import is_utf8_text
from hornet.core.jsontext import dump_json

HMAC_PREFIX = "hmac-sha256:"

PRESENCE_BEGINS = ("{", "[")
"""Presence JSON begins with one of these: an object, or PHP's empty array."""

AMBIGUOUS = (":{", ":[", ':"')
"""Texts that the name of a signed channel may not contain. Without presence data, channel
``private-a:{"id":"7"}`` would sign the same text as ``private-a`` with the presence data ``{"id":"7"}``."""


def sign_sha256(secret: str, connection_id: str, channel: str, presence: str | None = None) -> str:
    """Return the signature by the older scheme. ``presence`` is JSON text, signed as it is written.

    Raises:
        ValueError: the secret is empty, or one of the texts can't be signed.
    """
    return _sha256(_key(secret), _signed(connection_id, channel, presence))


def sign_hmac(secret: str, connection_id: str, channel: str, presence: str | None = None) -> str:
    """Return the signature by HMAC-SHA256, with its prefix; raise as :func:`sign_sha256` does."""
    return _hmac(_key(secret), _signed(connection_id, channel, presence))


def is_signed(
    signature: str, secrets: Iterable[str], connection_id: str, channel: str, presence: str | None = None
) -> bool:
    """Return True if ``signature`` was made by either scheme, with one of ``secrets``, for these very texts.

    Several secrets are valid at once while a backend changes from one to the next. The time of the check does
    not depend on how much of the signature is right.
    """
    given = signature.lower().encode("utf-8", "replace")
    is_hmac = given.startswith(HMAC_PREFIX.encode())
    try:
        texts = [_signed(connection_id, channel, presence)]
    except ValueError:
        return False
    if presence is not None and not is_hmac:
        texts.append(_joined(connection_id, channel, dump_json(presence)))
    make = _hmac if is_hmac else _sha256
    matches = [
        hmac.compare_digest(make(_key(secret), text).encode(), given) for secret in secrets for text in texts
    ]
    return any(matches)


def _key(secret: str) -> bytes:
    if not secret:
        raise ValueError("the secret is empty: anyone could sign")
    return secret.encode()


def _signed(connection_id: str, channel: str, presence: str | None) -> bytes:
    for text in (connection_id, channel, presence):
        if text is not None and not is_utf8_text(text):
            raise ValueError("text that UTF-8 can't carry can't be signed")
    if any(text in channel for text in AMBIGUOUS):
        raise ValueError(f"a signed channel has none of {', '.join(AMBIGUOUS)} in its name")
    if presence is not None and not presence.startswith(PRESENCE_BEGINS):
        raise ValueError("the presence data is no JSON object, or there is a space before it")
    return _joined(connection_id, channel, presence)


def _joined(connection_id: str, channel: str, presence: str | None) -> bytes:
    parts = [connection_id, channel.lower(), *([] if presence is None else [presence])]
    return ":".join(parts).encode()


def _sha256(key: bytes, signed: bytes) -> str:
    return hashlib.sha256(signed + b":" + key).hexdigest()


def _hmac(key: bytes, signed: bytes) -> str:
    return HMAC_PREFIX + hmac.new(key, signed, hashlib.sha256).hexdigest()
