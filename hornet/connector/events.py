"""The events that Hornet publishes for backends, as connectors read them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from hornet.broker.keys import EVENTS
from hornet.core.backend_commands import check_client_event
from hornet.core.jsontext import parse_json

log = logging.getLogger(__name__)

Event = tuple[str, dict[str, Any]]
"""The name of an event, and its fields."""

CLASSIC_EVENTS = ("connect", "disconnect")

EVENT_FIELDS = {
    "connect": ("token", "channel"),
    "disconnect": ("token", "channel"),
    "user:online": ("user", "session", "node"),
    "user:session": ("user", "session", "node"),
    "user:gone": ("user",),
    "user:authenticated": ("session",),
    "session:opened": ("session", "node", "address"),
    "session:closed": ("session", "node", "reason"),
}
"""Each event with the text fields that it has at least."""

CLIENT_EVENT = "client:"
"""Begins the name of an event that clients emit; the rest is the client's name for it."""

CLIENT_EVENT_FIELDS = ("session", "node")

POLL_S = 5.0
"""How long one wait for an event lasts. redis-py's ``listen()`` would end a silent subscription with an error
once the client's ``socket_timeout`` (5 s from 8.0 on) has passed. After a wait without an event the connector
sends a PING; without an answer in another wait, it takes the connection for lost."""

LOSSES: tuple[type[Exception], ...] = (RedisError, RedisClusterException, OSError)
"""All that redis-py raises where a subscription is lost. A Redis that loads its data or has another master
answers with an error; the connector tries again until it has none."""

RETRY_S = 1.0
"""Wait between attempts to get a lost subscription back."""


def event_topics(events: str | Iterable[str]) -> list[str]:
    """Return the topics of events.

    Raises:
        ValueError: there is no event, or one that Hornet does not publish.
    """
    names = [events] if isinstance(events, str) else list(events)
    if not names or not all(map(_is_published, names)):
        raise ValueError(f"events are some of {', '.join(EVENT_FIELDS)}, or {CLIENT_EVENT} and a name")
    return [EVENTS + name for name in names]


def parse_event(topic: str | bytes, payload: str | bytes) -> Event | None:
    """Return the event in a published message, or None (and a warning in the log) for anything else.

    Any client of Redis with the right to publish may publish on these topics. One wrong byte there must not
    end a backend's loop.
    """
    try:
        name = (topic.decode() if isinstance(topic, bytes) else topic).removeprefix(EVENTS)
        fields = CLIENT_EVENT_FIELDS if name.startswith(CLIENT_EVENT) else EVENT_FIELDS[name]
        event = parse_json(payload)
    except (ValueError, KeyError):
        event = None
    if not isinstance(event, dict) or not all(isinstance(event.get(key), str) for key in fields):
        log.warning("Skipped a message on %r that is not an event of Hornet", topic)
        return None
    return name, event


def is_silence(item: object, waited_s: float) -> bool:
    """Return True if a wait ended because nothing came; redis-py ends it early for its own messages."""
    return item is None and waited_s >= POLL_S / 2


def _is_published(name: str) -> bool:
    if name.startswith(CLIENT_EVENT):
        try:
            check_client_event(name.removeprefix(CLIENT_EVENT))
        except ValueError:
            return False
        return True
    return name in EVENT_FIELDS


def log_undecodable() -> None:
    """Say that a message was skipped which a client that decodes could not decode."""
    log.warning("Skipped a message on Hornet's event topics that is not text")


def log_lost(error: Exception) -> None:
    """Say that the subscription is lost, and that the connector subscribes again."""
    log.warning("Lost the subscription to Hornet's events (%s); subscribing again", error)
