"""What clients ask for of the past of a channel: a page of its history, or what precedes a subscription."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hornet.core import codes
from hornet.core.channels import check_channel
from hornet.core.errors import InvalidPublish, PeerError
from hornet.core.history import Offset, StreamPosition, parse_offset, parse_position
from hornet.core.messages import Message, parse_publish

DEFAULT_LIMIT = 100

MAX_LIMIT = 1000
"""Messages in one page, and before one subscription."""

OLDEST_FIRST = "asc"
NEWEST_FIRST = "desc"


class BadPastRequest(PeerError):
    """A request for the past that Hornet can't make sense of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A page of the messages of a channel after ``since`` and before ``before``."""

    channel: str
    limit: int = DEFAULT_LIMIT
    since: StreamPosition | None = None
    before: StreamPosition | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Rewind:
    """The last ``count`` messages, or those after ``since``; the other one is None.

    ``offset`` is ``since`` with the place in what one node heard, where the client gave that too.
    """

    count: int | None = None
    since: StreamPosition | None = None
    offset: Offset | None = None


def parse_page_request(request: object) -> PageRequest:
    """Parse the argument of ``hornet:history``.

    Raises:
        PeerError: ``WRONG_PARAMETERS``, ``BAD_CHANNEL`` or ``BAD_POSITION``.
    """
    if not isinstance(request, Mapping) or "channel" not in request:
        raise BadPastRequest(codes.WRONG_PARAMETERS, "The argument is no object with 'channel'")
    limit, order = request.get("limit"), request.get("order")
    if order not in (None, OLDEST_FIRST, NEWEST_FIRST):
        raise BadPastRequest(
            codes.WRONG_PARAMETERS, f"'order' is neither '{OLDEST_FIRST}' nor '{NEWEST_FIRST}'"
        )
    return PageRequest(
        channel=check_channel(request["channel"]),
        limit=DEFAULT_LIMIT if limit is None else _parse_count("limit", limit),
        since=parse_bound("since", request.get("since")),
        before=parse_bound("before", request.get("before")),
        newest_first=order == NEWEST_FIRST,
    )


def parse_bound(name: str, value: object) -> StreamPosition | None:
    """Parse the position in the field ``name``; None where it is missing.

    Raises:
        BadPastRequest: ``BAD_POSITION``.
    """
    if value is None:
        return None
    try:
        return parse_position(value)
    except ValueError as error:
        raise BadPastRequest(codes.BAD_POSITION, f"'{name}': {error}") from None


def parse_rewind(request: Mapping[str, object]) -> Rewind | None:
    """Parse ``rewind`` or ``since`` of ``hornet:subscribe``; None where neither is given.

    Raises:
        BadPastRequest: ``WRONG_PARAMETERS`` or ``BAD_POSITION``.
    """
    count, since = request.get("rewind"), request.get("since")
    if count is not None and since is not None:
        raise BadPastRequest(codes.WRONG_PARAMETERS, "'rewind' and 'since' exclude each other")
    if count is not None:
        return Rewind(count=_parse_count("rewind", count))
    position = parse_bound("since", since)
    if position is None:
        return None
    try:
        return Rewind(since=position, offset=parse_offset(since))
    except ValueError:
        return Rewind(since=position)


def parse_recorded(channel: str, json: bytes) -> Message | None:
    """Parse what was recorded on a channel; None where nodes dropped it, since it is malformed."""
    try:
        return parse_publish(channel, json)
    except InvalidPublish:
        return None


def is_for(message: Message, names: Collection[str]) -> bool:
    """Return whether a message is for a session, which ``only`` and ``except`` may know by ``names``."""
    if message.only is not None and message.only.isdisjoint(names):
        return False
    return message.exclude.isdisjoint(names)


def _parse_count(name: str, value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_LIMIT:
        raise BadPastRequest(codes.WRONG_PARAMETERS, f"'{name}' is no number from 1 to {MAX_LIMIT}")
    return value
