"""Operations that send messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, field

from hornet.core import codes
from hornet.core.backend_commands import MAX_EVENT_CHARS
from hornet.flows.backend.publishing import Outbound, Published, Publishing
from hornet.web.api.fields import MAX_LISTED, Answer, ChannelName, Channels, Request, Tokens, Users, listed
from hornet.web.api.keys import Right
from hornet.web.api.operation import Call, Nothing, Operation
from hornet.web.api.problems import Problem

REFUSALS = (
    codes.RESERVED_CHANNEL,
    codes.TOO_LARGE,
    codes.IDEMPOTENCY_KEY_REUSED,
    codes.INVALID_IDEMPOTENCY_KEY,
)


class Message(Request, frozen=True, kw_only=True):
    """One message for one or several channels."""

    channels: Channels
    type: Annotated[str, Meta(description="What clients listen for.", examples=["headline"])]
    message: Annotated[
        dict[str, Any],
        Meta(description="The message's fields. `type`, `only` and `except` in it are not used."),
    ] = field(default_factory=dict)
    only: Annotated[
        Tokens | None, Meta(description="Deliver to these clients only: tokens, or ids of sessions.")
    ] = None
    but: Annotated[
        Tokens | None, Meta(description="Leave these clients out: tokens, or ids of sessions.")
    ] = field(default=None, name="except")


class Batch(Request, frozen=True, kw_only=True):
    """Several messages, published in this order."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_LISTED)]


class PatternMessage(Request, frozen=True, kw_only=True):
    """A payload for those who subscribed to such keys and values."""

    pattern: Annotated[
        dict[str, str | int],
        Meta(min_length=1, description="Keys and values.", examples=[{"kind": "news", "channel": "CNN"}]),
    ]
    payload: Annotated[Any, Meta(description="Any JSON; clients get it as it is.")]


class Notification(Request, frozen=True, kw_only=True):
    """An event for every session of the users, wherever they are."""

    users: Users
    event: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_CHARS, description="Its name.")]
    payload: Annotated[Any, Meta(description="Any JSON; the event's argument.")] = None


class PublishedTo(Answer, frozen=True, kw_only=True):
    """One publish. `nodes` is how many nodes heard it: 0 means that no client is in the channel."""

    channel: ChannelName
    nodes: int


class PublishedAnswer(Answer, frozen=True, kw_only=True):
    """What was published, in order. `replayed`: by an earlier request with this Idempotency-Key."""

    published: list[PublishedTo]
    replayed: bool = False


class HeardAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """How many nodes heard it; for users, summed. `replayed`: due to an earlier request with this key."""

    nodes: int
    replayed: bool = False


class Publish:
    """Publishes to channels."""

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "publish",
                "POST",
                "/api/publish",
                Right.PUBLISH,
                "Publish a message on one or several channels",
                self._publish,
                PublishedAnswer,
                body=Message,
                refusals=REFUSALS,
                is_idempotent_by_key=True,
            ),
            Operation(
                "publishBatch",
                "POST",
                "/api/publish/batch",
                Right.PUBLISH,
                "Publish several messages",
                self._publish_batch,
                PublishedAnswer,
                body=Batch,
                refusals=REFUSALS,
                is_idempotent_by_key=True,
            ),
            Operation(
                "publishToPattern",
                "POST",
                "/api/publish/pattern",
                Right.PUBLISH,
                "Publish to a pattern's keys and values",
                self._publish_to_pattern,
                HeardAnswer,
                body=PatternMessage,
                refusals=(codes.BAD_PATTERN, *REFUSALS[1:]),
                is_idempotent_by_key=True,
            ),
            Operation(
                "notify",
                "POST",
                "/api/publish/users",
                Right.PUBLISH,
                "Send an event to users",
                self._notify,
                HeardAnswer,
                body=Notification,
                refusals=REFUSALS[1:],
                is_idempotent_by_key=True,
            ),
        ]

    async def _publish(self, call: Call[Nothing, Message]) -> PublishedAnswer:
        return await self._send([call.body], call)

    async def _publish_batch(self, call: Call[Nothing, Batch]) -> PublishedAnswer:
        return await self._send(call.body.messages, call)

    async def _publish_to_pattern(self, call: Call[Nothing, PatternMessage]) -> HeardAnswer:
        body = call.body
        published = await self._publishing.publish_to_pattern(body.pattern, body.payload, call.once)
        return HeardAnswer(nodes=published.nodes[0], replayed=published.replayed)

    async def _notify(self, call: Call[Nothing, Notification]) -> HeardAnswer:
        asked = call.body
        users = asked.users if isinstance(asked.users, list) else [asked.users]
        published = await self._publishing.notify(users, asked.event, asked.payload, call.once)
        return HeardAnswer(nodes=sum(published.nodes), replayed=published.replayed)

    async def _send(self, messages: Sequence[Message], call: Call[Any, Any]) -> PublishedAnswer:
        outbound = [
            Outbound(listed(one.channels), one.type, one.message, one.only, one.but) for one in messages
        ]
        channels = [channel for one in outbound for channel in one.channels]
        if len(channels) > MAX_LISTED:
            raise Problem(codes.TOO_LARGE, f"a request publishes on at most {MAX_LISTED} channels in all")
        return answer(channels, await self._publishing.publish(outbound, call.once))


def answer(channels: Sequence[str], published: Published) -> PublishedAnswer:
    pairs = zip(channels, published.nodes, strict=True)
    return PublishedAnswer(
        published=[PublishedTo(channel=channel, nodes=nodes) for channel, nodes in pairs],
        replayed=published.replayed,
    )
