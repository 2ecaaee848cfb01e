"""The past of channels, for backends that ask over HTTP and for clients: what Redis has recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hornet.broker.history import HistoryStore
from hornet.broker.keys import channel_topic
from hornet.core import codes
from hornet.core.history import StreamPosition, with_position
from hornet.core.messages import Message
from hornet.core.past import PageRequest, is_for, parse_page_request, parse_recorded
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Activity, Session
from hornet.flows.settings import ChannelSettings


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message that was published on a channel, and where."""

    position: StreamPosition
    message: Message


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """A part of what was published on a channel.

    Everything that was recorded up to ``position`` is taken into account. ``is_whole`` is False where
    messages after ``since`` are lost, and ``has_more`` is True where the limit left some out.
    """

    channel: str
    messages: list[PastMessage]
    position: StreamPosition
    is_whole: bool
    has_more: bool


def everyone(message: Message) -> bool:
    return True


class ChannelHistory:
    """Reads the history of channels."""

    def __init__(self, *, store: HistoryStore, settings: ChannelSettings, recovery: RecoverySettings) -> None:
        self._store = store
        self.configure(settings, recovery)

    def configure(self, settings: ChannelSettings, recovery: RecoverySettings) -> None:
        """Follow these settings from now on."""
        self._max_rate = settings.max_history_rate
        self._max_bytes = recovery.replay_bytes

    async def page(
        self, request: PageRequest, *, is_visible: Callable[[Message], bool] = everyone
    ) -> ChannelPage:
        """Return the messages that a request asks for, and of them those that are visible.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        page = await self._store.page(
            channel_topic(request.channel),
            limit=request.limit,
            since=request.since,
            before=request.before,
            newest_first=request.newest_first,
        )
        messages: list[PastMessage] = []
        for recorded in page.messages:
            message = parse_recorded(request.channel, recorded.json)
            if message is not None and is_visible(message):
                messages.append(PastMessage(StreamPosition(page.position.epoch, recorded.id), message))
        return ChannelPage(request.channel, messages, page.position, page.is_whole, page.has_more)

    async def on_history(self, session: Session, args: Sequence[object]) -> dict[str, object]:
        """Answer ``hornet:history``, ``{"channel", "limit"?, "since"?, "before"?, "order"?}``.

        The session must have the channel. It gets the messages that were for it, and of these what fits into
        ``replay_bytes``.

        Raises:
            PeerError: ``WRONG_PARAMETERS``, ``BAD_CHANNEL``, ``BAD_POSITION``, ``NOT_SUBSCRIBED`` or
                ``RATE_LIMITED``.
            RedisUnavailable: Redis did not answer.
        """
        request = parse_page_request(args[0] if args else None)
        if request.channel not in session.channels:
            raise RefusedEvent(codes.NOT_SUBSCRIBED, "The session is not subscribed to this channel")
        self.check_pace(session)
        names = names_of(session)
        page = await self.page(request, is_visible=lambda message: is_for(message, names))
        if request.channel not in session.channels:
            raise RefusedEvent(codes.NOT_SUBSCRIBED, "The session left this channel meanwhile")
        fitting = _fitting(page.messages, self._max_bytes)
        return {
            "ok": True,
            "channel": page.channel,
            "messages": [
                with_position(past.message.body, str(past.position)) for past in page.messages[:fitting]
            ],
            "position": str(page.position),
            "whole": page.is_whole,
            "more": page.has_more or fitting < len(page.messages),
        }

    def check_pace(self, session: Session) -> None:
        """Check that the session does not ask for the past too often.

        Raises:
            RefusedEvent: ``RATE_LIMITED``.
        """
        if not session.may(Activity.HISTORY, self._max_rate, asyncio.get_running_loop().time()):
            raise RefusedEvent(
                codes.RATE_LIMITED, f"A session asks for the past {self._max_rate:g} times a second at most"
            )


def names_of(session: Session) -> frozenset[str]:
    """Return the names by which ``only`` and ``except`` know a session: its id and its tokens."""
    return frozenset((session.sid, *session.tokens))


def _fitting(messages: Sequence[PastMessage], max_bytes: int) -> int:
    """Return how many messages from the first on have ``max_bytes`` together; at least one."""
    size = 0
    for count, past in enumerate(messages):
        size += len(past.message.published)
        if size > max_bytes and count:
            return count
    return len(messages)
