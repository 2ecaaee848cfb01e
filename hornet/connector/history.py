"""Reading what was published on a channel: the command for Redis, its answer, and the request to the API.

Both ways return the same fields, those of the API's answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from hornet.broker.history_scripts import script
from hornet.broker.keys import HISTORY, channel_topic
from hornet.broker.user_commands import RedisCommand
from hornet.connector.api import ApiRequest
from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.history import NO_EPOCH, StreamPosition, is_whole_after, parse_position
from hornet.core.past import MAX_LIMIT, NEWEST_FIRST, parse_recorded


class HistoryRead:
    """One reading of a channel.

    Raises:
        ValueError: an invalid channel, the reserved one, a limit out of bounds, or a malformed position.
    """

    def __init__(
        self, channel: str, *, limit: int, since: str | None, before: str | None, newest_first: bool
    ) -> None:
        if not is_channel_name(channel) or channel == CONTROL_CHANNEL:
            raise ValueError(f"{channel!r} is no channel that has a history")
        if not 0 < limit <= MAX_LIMIT:
            raise ValueError(f"a limit is a number from 1 to {MAX_LIMIT}")
        self._channel = channel
        self._limit = limit
        self._since = None if since is None else parse_position(since)
        self._before = None if before is None else parse_position(before)
        self._newest_first = newest_first
        self._is_elsewhere = False
        self._first: list[Any] = []

    def request(self) -> ApiRequest:
        """Return the request to the API."""
        query: dict[str, object] = {"limit": self._limit}
        if self._newest_first:
            query["order"] = NEWEST_FIRST
        bounds = {"since": self._since, "before": self._before}
        query |= {name: str(bound) for name, bound in bounds.items() if bound is not None}
        return ApiRequest("GET", f"/api/channels/{quote(self._channel, safe='')}/history?{urlencode(query)}")

    def command(self) -> RedisCommand:
        """Return the command that reads between the bounds."""
        return self._command(self._since, self._before)

    def then(self, answers: list[Any]) -> list[RedisCommand]:
        """Return what to read again: everything, where the bounds mean nothing to this Redis."""
        self._first = answers[0]
        position = StreamPosition(_text(self._first[0]), int(self._first[1] or 0))
        bounds = [bound for bound in (self._since, self._before) if bound is not None]
        self._is_elsewhere = not all(position.covers(bound) for bound in bounds)
        return [self._command(None, None)] if self._is_elsewhere else []

    def read(self, answers: list[Any]) -> dict[str, Any]:
        """Return the fields of the answer."""
        epoch, last, floor, topic_last, previous, entries = answers[0] if answers else self._first
        if epoch is None:
            epoch, last, floor = NO_EPOCH, 0, 0
        since = self._since.id if self._since is not None else 0
        messages = []
        for id, _, json in entries[: self._limit]:
            message = parse_recorded(self._channel, json.encode() if isinstance(json, str) else json)
            if message is not None:
                entry: dict[str, Any] = {"position": f"{_text(epoch)}-{int(id)}", "message": message.body}
                if message.only is not None or message.exclude:
                    entry["addressed"] = True
                messages.append(entry)
        is_whole = is_whole_after(
            since,
            floor=int(floor),
            last=None if topic_last is None else int(topic_last),
            previous=None if previous is None else int(previous),
        )
        return {
            "channel": self._channel,
            "messages": messages,
            "position": f"{_text(epoch)}-{int(last)}",
            "whole": self._since is None or (is_whole and not self._is_elsewhere),
            "more": len(entries) > self._limit,
        }

    def _command(self, since: StreamPosition | None, before: StreamPosition | None) -> RedisCommand:
        words = (
            str(since.id if since else 0),
            str(before.id) if before else "",
            str(self._limit + 1),
            str(int(self._newest_first)),
        )
        return ("EVAL", script("hornet_page"), "1", HISTORY, channel_topic(self._channel), *words)


def _text(word: bytes | str | None) -> str:
    return word.decode() if isinstance(word, bytes) else word or ""
