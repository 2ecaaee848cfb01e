"""What a client says of its former session, and what it is told of channels that are not whole."""

from __future__ import annotations

from collections.abc import Iterator

from hornet.broker.keys import channel_topic, user_topic
from hornet.core import answers
from hornet.core.credentials import is_object, read_fields
from hornet.core.history import Offset, parse_offset
from hornet.core.messages import Message
from hornet.engine import Handshake
from hornet.flows.recovery.restoration import MissReason, Restoration
from hornet.flows.sessions.sessions import Session


def wants_positions(handshake: Handshake) -> bool:
    """Return whether a client asked for positions, in ``auth`` or in the query."""
    auth = handshake.auth
    if is_object(auth) and isinstance(auth.get("positions"), bool):
        return bool(auth["positions"])
    values = handshake.query.get("positions")
    return values is not None and values[-1] in ("1", "true")


def resumed(handshake: Handshake) -> tuple[str, str] | None:
    """Return the former session and the position in ``resume``; None where the client resumes nothing.

    ``resume`` may be JSON text, for clients whose ``auth`` holds only texts.
    """
    auth = handshake.auth
    resume = read_fields(auth.get("resume")) if is_object(auth) else {}
    if not resume or not wants_positions(handshake):
        return None
    former, position = resume.get("session"), resume.get("position", "")
    if not isinstance(former, str) or not isinstance(position, str):
        return None
    return former, position


def read_offset(text: str) -> Offset | None:
    """Return where a client stands; None where it does not say so, or the text is none of Hornet's."""
    try:
        return parse_offset(text)
    except ValueError:
        return None


def gaps_of(session: Session, restoration: Restoration) -> Iterator[Message]:
    """Yield what tells the client which of its channels are not whole, one message for each reason."""
    by_reason: dict[MissReason, list[str]] = {}
    user = restoration.record.user
    of_user = None if user is None else restoration.missed.get(user_topic(user))
    for channel in session.channels:
        reason = restoration.missed.get(channel_topic(channel))
        if reason is not None:
            by_reason.setdefault(reason, []).append(channel)
    if of_user is not None:
        by_reason.setdefault(of_user, [])
    for reason, channels in by_reason.items():
        yield answers.gap(tuple(channels), (), reason is of_user, reason=reason)
