"""Signatures with which a backend lets one client into a private channel, without state and without Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hornet.core.channels import Kind, check_channel, kind_of
from hornet.core.errors import PeerError
from hornet.core.jsontext import dump_json
from hornet.core.presence import parse_member
from hornet.core.signatures import sign_hmac


def sign_channel(
    secret: str, connection_id: str, channel: str, presence: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the argument of the page's ``hornet:subscribe``: ``channel``, ``signature``, maybe ``presence``.

    ``connection_id`` is the client's ``socket.id``; the signature is valid for no other connection.
    ``presence`` makes the client a member whom the other members see: ``{"id", "info"}``, both optional, or
    any other mapping, which is the info then. Without an id the member is the session's user, or the session.

    Raises:
        ValueError: the channel is not private, or an argument can't be signed; the message says which.
    """
    try:
        if kind_of(check_channel(channel)) is not Kind.PRIVATE:
            raise ValueError(f"{channel!r} is no private channel: it does not begin with 'private-'")
        signed = {"channel": channel}
        if presence is not None:
            signed["presence"] = dump_json(dict(presence))
            parse_member(signed["presence"], "the session's")
    except PeerError as refused:
        raise ValueError(refused.detail) from None
    signed["signature"] = sign_hmac(secret, connection_id, channel, signed.get("presence"))
    return signed
