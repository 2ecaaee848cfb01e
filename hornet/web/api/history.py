"""Operations on what was published."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.past import DEFAULT_LIMIT, MAX_LIMIT, NEWEST_FIRST, PageRequest, parse_bound
from hornet.flows.channels.history import PastMessage
from hornet.web.api.auth import Right
from hornet.web.api.fields import Answer, ChannelName, Request
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import Problem

MAX_POSITION_CHARS = 128

Bound = Annotated[str, Meta(min_length=1, max_length=MAX_POSITION_CHARS)]


class HistoryQuery(Request, frozen=True, kw_only=True):
    """Which messages of a channel to list."""

    channel: ChannelName
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many messages at most.")] = DEFAULT_LIMIT
    since: Annotated[Bound | None, Meta(description="A position: only messages after it.")] = None
    before: Annotated[Bound | None, Meta(description="A position: only messages before it.")] = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="`asc`: the oldest first; `desc`: the newest first.")
    ] = "asc"


class HistoryEntry(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A message as clients got it.

    `addressed` is true where `only` or `except` chose its receivers; their tokens are not listed.
    """

    position: str
    message: dict[str, Any]
    addressed: bool = False


class ChannelHistoryAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """Messages that were published on a channel, as far as they are kept."""

    channel: str
    messages: list[HistoryEntry]
    position: Annotated[
        str, Meta(description="Everything published up to here is taken into account: subscribe from here.")
    ]
    whole: Annotated[bool, Meta(description="False where messages after `since` are lost.")]
    more: Annotated[bool, Meta(description="True where `limit` left messages out.")]


async def get_history(services: ApiServices, call: Call[HistoryQuery, Nothing]) -> ChannelHistoryAnswer:
    query = call.params
    if query.channel == CONTROL_CHANNEL:
        raise Problem(codes.RESERVED_CHANNEL, f"channel {CONTROL_CHANNEL!r} is Hornet's own")
    request = PageRequest(
        channel=query.channel,
        limit=query.limit,
        since=parse_bound("since", query.since),
        before=parse_bound("before", query.before),
        newest_first=query.order == NEWEST_FIRST,
    )
    page = await services.history.page(request)
    return ChannelHistoryAnswer(
        channel=page.channel,
        messages=[_entry(past) for past in page.messages],
        position=str(page.position),
        whole=page.is_whole,
        more=page.has_more,
    )


def _entry(past: PastMessage) -> HistoryEntry:
    message = past.message
    is_addressed = message.only is not None or bool(message.exclude)
    return HistoryEntry(position=str(past.position), message=message.body, addressed=is_addressed)


OPERATIONS = (
    Operation(
        name="getHistory",
        method="GET",
        path="/api/channels/{channel}/history",
        right=Right.READ,
        summary="List what was published on a channel",
        handler=get_history,
        answer=ChannelHistoryAnswer,
        params=HistoryQuery,
        refusals=(codes.RESERVED_CHANNEL, codes.BAD_POSITION),
    ),
)
