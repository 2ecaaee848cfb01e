"""Operations that send messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from hornet.core import codes
from hornet.core.backend_commands import MAX_EVENT_CHARS
from hornet.core.history import StreamPosition
from hornet.flows.backend.service import Once, OutboundMessage, Published, message_body
from hornet.web.api.auth import Right
from hornet.web.api.fields import (
    MAX_LISTED,
    Answer,
    ChannelName,
    Channels,
    Request,
    Tokens,
    Users,
    alias_of,
    given,
    listed,
)
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import Problem

REFUSALS = (codes.TOO_LARGE, codes.IDEMPOTENCY_KEY_REUSED, codes.INVALID_IDEMPOTENCY_KEY)
"""The problems that every publish may end in."""


EventName = Annotated[
    str, Meta(min_length=1, max_length=MAX_EVENT_CHARS, description="The name of the event; required.")
]


class MessageRequest(Request, frozen=True, kw_only=True):
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
    exclude: Annotated[
        Tokens | None, Meta(description="Leave these clients out: tokens, or ids of sessions.")
    ] = field(default=None, name="except")


class Batch(Request, frozen=True, kw_only=True):
    """Several messages, published in this order."""

    messages: Annotated[list[MessageRequest], Meta(min_length=1, max_length=MAX_LISTED)]


class PatternMessage(Request, frozen=True, kw_only=True):
    """A message, or any JSON, for the clients that subscribed to these keys and values.

    With `type`, it is a message as on a channel. Without, `message` may be any JSON: an object with a text
    `type` is a message too, and other JSON reaches clients as the field `payload` of a message of the type
    `payload`.
    """

    pattern: Annotated[
        dict[str, str | int],
        Meta(min_length=1, description="Keys and values.", examples=[{"kind": "news", "channel": "CNN"}]),
    ]
    type: Annotated[str, Meta(description="What clients listen for.", examples=["headline"])] | UnsetType = (
        UNSET
    )
    message: Annotated[
        Any, Meta(description="With `type`: the message's fields. Without: any JSON, and required.")
    ] = UNSET
    payload: Annotated[Any, alias_of("message")] = UNSET
    only: Annotated[Tokens | None, Meta(description="With `type`: as for a channel.")] = None
    exclude: Annotated[Tokens | None, Meta(description="With `type`: as for a channel.")] = field(
        default=None, name="except"
    )

    def __post_init__(self) -> None:
        message = given(self, "message", "payload")
        if isinstance(self.type, str):
            if message is not UNSET and not isinstance(message, dict):
                raise ValueError("beside 'type', 'message' is an object")
        elif message is UNSET:
            raise ValueError("'type' or 'message' is required")
        elif self.only is not None or self.exclude is not None:
            raise ValueError("'only' and 'except' need a 'type'")

    def content(self) -> Any:
        """Return the JSON to publish."""
        message = given(self, "message", "payload")
        if not isinstance(self.type, str):
            return message
        fields = {} if message is UNSET else message
        return message_body(self.type, fields, only=self.only, exclude=self.exclude)


class Notification(Request, frozen=True, kw_only=True):
    """An event for every session of the users, wherever they are."""

    users: Users
    type: EventName | UnsetType = UNSET
    message: Annotated[Any, Meta(description="Any JSON; the event's argument.")] = UNSET
    event: Annotated[EventName, alias_of("type")] | UnsetType = UNSET
    payload: Annotated[Any, alias_of("message")] = UNSET

    def __post_init__(self) -> None:
        given(self, "message", "payload")
        if given(self, "type", "event") is UNSET:
            raise ValueError("'type' is required: the name of the event")

    @property
    def event_name(self) -> str:
        name: str = given(self, "type", "event")
        return name

    @property
    def argument(self) -> Any:
        argument = given(self, "message", "payload")
        return None if argument is UNSET else argument


class PublishedTo(Answer, frozen=True, kw_only=True):
    """One publish. `nodes` is how many nodes heard it: 0 means that no client is in the channel.

    `position` is its place in the history; null where the channel keeps none, or Redis takes no writes.
    """

    channel: ChannelName
    nodes: int
    position: str | None


class PublishedAnswer(Answer, frozen=True, kw_only=True):
    """What was published, in order. `replayed`: by an earlier request with this Idempotency-Key."""

    published: list[PublishedTo]
    replayed: bool = False


class HeardAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """How many nodes received it, summed over users. A node counts once for each of its subscriptions that
    match a pattern. `position` is the place of the last publish in the history; null where none is kept.
    `replayed`: due to an earlier request with this key."""

    nodes: int
    position: str | None
    replayed: bool = False


async def publish(services: ApiServices, call: Call[Nothing, MessageRequest]) -> PublishedAnswer:
    return await _publish(services, [call.body], call.once)


async def publish_batch(services: ApiServices, call: Call[Nothing, Batch]) -> PublishedAnswer:
    return await _publish(services, call.body.messages, call.once)


async def publish_to_pattern(services: ApiServices, call: Call[Nothing, PatternMessage]) -> HeardAnswer:
    body = call.body
    published = await services.backend.publish_to_pattern(body.pattern, body.content(), call.once)
    return _heard(published)


async def notify(services: ApiServices, call: Call[Nothing, Notification]) -> HeardAnswer:
    body = call.body
    users = body.users if isinstance(body.users, list) else [body.users]
    published = await services.backend.notify(users, body.event_name, body.argument, call.once)
    return _heard(published)


def _heard(published: Published) -> HeardAnswer:
    return HeardAnswer(
        nodes=sum(published.nodes),
        position=text_of(published.positions[-1]),
        replayed=published.replayed,
    )


async def _publish(
    services: ApiServices, messages: Sequence[MessageRequest], once: Once | None
) -> PublishedAnswer:
    outbound = [
        OutboundMessage(
            channels=listed(message.channels),
            type=message.type,
            message=message.message,
            only=message.only,
            exclude=message.exclude,
        )
        for message in messages
    ]
    channels = [channel for message in outbound for channel in message.channels]
    if len(channels) > MAX_LISTED:
        raise Problem(codes.TOO_LARGE, f"a request publishes on at most {MAX_LISTED} channels in all")
    return _answer(channels, await services.backend.publish(outbound, once))


def _answer(channels: Sequence[str], published: Published) -> PublishedAnswer:
    pairs = zip(channels, published.recorded, strict=True)
    return PublishedAnswer(
        published=[
            PublishedTo(channel=channel, nodes=recorded.nodes, position=text_of(recorded.position))
            for channel, recorded in pairs
        ],
        replayed=published.replayed,
    )


def text_of(position: StreamPosition | None) -> str | None:
    """Return a position as answers carry it."""
    return None if position is None else str(position)


OPERATIONS = (
    Operation(
        name="publish",
        path="/api/publish",
        method="POST",
        right=Right.PUBLISH,
        summary="Publish a message on one or several channels",
        handler=publish,
        answer=PublishedAnswer,
        body=MessageRequest,
        refusals=(codes.RESERVED_CHANNEL, *REFUSALS),
        is_idempotent_by_key=True,
    ),
    Operation(
        name="publishBatch",
        path="/api/publish/batch",
        method="POST",
        right=Right.PUBLISH,
        summary="Publish several messages",
        handler=publish_batch,
        answer=PublishedAnswer,
        body=Batch,
        refusals=(codes.RESERVED_CHANNEL, *REFUSALS),
        is_idempotent_by_key=True,
    ),
    Operation(
        name="publishToPattern",
        path="/api/publish/pattern",
        method="POST",
        right=Right.PUBLISH,
        summary="Publish to a pattern's keys and values",
        handler=publish_to_pattern,
        answer=HeardAnswer,
        body=PatternMessage,
        refusals=(codes.BAD_PATTERN, *REFUSALS),
        is_idempotent_by_key=True,
    ),
    Operation(
        name="notify",
        path="/api/publish/users",
        method="POST",
        right=Right.PUBLISH,
        summary="Send an event to users",
        handler=notify,
        answer=HeardAnswer,
        body=Notification,
        refusals=REFUSALS,
        is_idempotent_by_key=True,
    ),
)
