"""Topics of Redis that plug-ins listen to, beside what Hornet itself does with messages on these topics."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable

from hornet.broker.subscriber import Subscriber
from hornet.broker.subscription_connection import Receive
from hornet.broker.topic_router import TopicRouter
from hornet.core.channels import is_utf8_text
from hornet.core.history import split_stamp

log = logging.getLogger(__name__)

Receiver = Callable[[str, bytes], object]


class TopicListener:
    """A plug-in's subscription to one topic, until :meth:`stop`."""

    def __init__(self, topic: str, receive: Receiver, stop: Callable[[TopicListener], None]) -> None:
        self.topic = topic
        self.receive = receive
        self._stop = stop
        self.confirmation: asyncio.Future[None] | None = None
        """Of Redis; None before the node starts, and after :meth:`stop`."""

    async def wait(self) -> None:
        """Return once Redis sends the topic: no message that is published afterwards is missed.

        Raises:
            RuntimeError: the node has not started yet, or the listener has stopped.
            RedisUnavailable: Redis has been away for too long. The listener gets the topic once it is back.
            RefusedByRedis: the ACL of Redis does not permit it.
        """
        if self.confirmation is None:
            raise RuntimeError(f"Redis was not asked for the topic {self.topic!r}: the node does not run")
        await asyncio.shield(self.confirmation)

    def stop(self) -> None:
        """Call ``receive`` no more. Stopping again changes nothing."""
        self._stop(self)


class TopicListeners:
    """Calls the receivers of plug-ins for the messages on their topics.

    The subscriber subscribes again after an outage; messages that were published meanwhile are missed. A
    receiver must not block: if it has more to do, it starts a task. A receiver that fails is logged.
    """

    def __init__(self, *, subscriber: Subscriber, topics: TopicRouter) -> None:
        self._subscriber = subscriber
        self._topics = topics
        self._listeners: dict[str, list[TopicListener]] = {}
        self._owners: dict[str, Receive] = {}
        """Hornet's own receivers, of those topics among these that it handles by their name."""
        self._is_started = False

    def listen(self, topic: str, receive: Receiver) -> TopicListener:
        """Call ``receive(topic, payload)`` for each message on ``topic``, from the node's start or from now.

        Raises:
            ValueError: UTF-8 can't carry the topic, or it is empty.
            TypeError: ``receive`` is an ``async def`` function, which would have to run beside the messages.
        """
        if not topic or not is_utf8_text(topic):
            raise ValueError("a topic is text of at least one character")
        if inspect.iscoroutinefunction(receive):
            raise TypeError("a receiver is no 'async def' function: let it start a task instead")
        listener = TopicListener(topic, receive, self._stop)
        if topic not in self._listeners:
            owner = self._topics.off(topic)
            if owner is not None:
                self._owners[topic] = owner
            self._listeners[topic] = []
            self._topics.on(topic, self._receive)
        self._listeners[topic].append(listener)
        if self._is_started:
            self._subscribe(listener)
        return listener

    async def start(self) -> None:
        """Subscribe to the topics of all listeners so far; return when Redis has confirmed that.

        Raises:
            RedisUnavailable: Redis went away.
            RefusedByRedis: the ACL of Redis does not permit a topic.
        """
        self._is_started = True
        listeners = [listener for listeners in self._listeners.values() for listener in listeners]
        for listener in listeners:
            self._subscribe(listener)
        await asyncio.gather(*(listener.wait() for listener in listeners))

    def _subscribe(self, listener: TopicListener) -> None:
        listener.confirmation = self._subscriber.subscribe(listener.topic)
        listener.confirmation.add_done_callback(_mark_as_retrieved)

    def _stop(self, listener: TopicListener) -> None:
        listeners = self._listeners.get(listener.topic, [])
        if listener not in listeners:
            return
        listeners.remove(listener)
        if listener.confirmation is not None:
            listener.confirmation = None
            self._subscriber.unsubscribe(listener.topic)
        if not listeners:
            self._give_back(listener.topic)

    def _give_back(self, topic: str) -> None:
        del self._listeners[topic]
        owner = self._owners.pop(topic, None)
        self._topics.off(topic)
        if owner is not None:
            self._topics.on(topic, owner)

    def _receive(self, topic: str, payload: bytes) -> None:
        listeners = tuple(self._listeners[topic])
        _, json = split_stamp(payload)
        if self._subscriber.holders(topic) > len(listeners):  # Hornet wants the topic as well
            owner = self._owners.get(topic) or self._topics.find_by_prefix(topic)
            if owner is not None:
                owner(topic, payload)
        for listener in listeners:
            try:
                listener.receive(topic, json)
            except Exception:  # a plug-in may raise anything
                log.exception("A plug-in's receiver of the topic %r failed", topic)


def _mark_as_retrieved(confirmation: asyncio.Future[None]) -> None:
    """Keep asyncio from logging the error: a plug-in need not wait, and the subscriber has logged it."""
    if not confirmation.cancelled():
        confirmation.exception()
