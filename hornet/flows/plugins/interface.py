"""A node as plug-ins see it: they publish, notify, ask who is where, and listen to clients and to Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hornet.broker.topic_listeners import Receiver, TopicListener, TopicListeners
from hornet.core.backend_commands import parse_event_name
from hornet.core.channels import is_channel_name
from hornet.engine import Engine
from hornet.flows.backend.cluster_queries import MAX_PAGE, ClusterQueries
from hornet.flows.backend.service import BackendService, OutboundMessage
from hornet.flows.sessions.signals import Signals
from hornet.flows.users.queries import UserQueries

_OPTIONS = ("only", "except")


class NodeInterface:
    """What a plug-in may use of its node. All other parts of Hornet may be moved and renamed.

    The methods that go through Redis raise ``RedisUnavailable`` where Redis does not answer, and
    ``ValueError`` for a malformed channel, user or event.
    """

    def __init__(
        self,
        *,
        node_id: str,
        signals: Signals,
        engine: Engine,
        backend: BackendService,
        cluster: ClusterQueries,
        users: UserQueries,
        listeners: TopicListeners,
    ) -> None:
        self.node_id = node_id
        self.signals = signals
        """Of this node's sessions and users, and of its connection to Redis."""
        self.users = users
        """Finds users on all nodes, and subscribes and disconnects them."""
        self._engine = engine
        self._backend = backend
        self._cluster = cluster
        self._listeners = listeners

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish one message on each channel, as a backend does; return how many nodes received it, summed.

        ``options`` may have ``only`` and ``except``: a token or the id of a session, or several.

        Raises:
            ValueError: no channel, a malformed one, or an unknown option.
            InvalidPublish: the reserved channel, a message that JSON can't carry, or a malformed option.
            RedisUnavailable: it is not known whether the message was published.
        """
        names = [channels] if isinstance(channels, str) else list(dict.fromkeys(channels))
        if not names or not all(map(is_channel_name, names)):
            raise ValueError("no channel given, or one of them is no channel name")
        given = dict(options or {})
        only, exclude = (given.pop(name, None) for name in _OPTIONS)
        if given:
            raise ValueError(f"the options are 'only' and 'except', not {', '.join(map(repr, given))}")
        outbound = OutboundMessage(
            channels=names, type=type, message=message or {}, only=only, exclude=exclude
        )
        return sum((await self._backend.publish([outbound])).nodes)

    async def notify(self, users: str | int | Iterable[str | int], event: str, payload: object = None) -> int:
        """Emit an event to every session of the users; return how many nodes received it, summed."""
        return await self.users.notify(users, event, payload)

    async def members(self, channel: str, limit: int = MAX_PAGE) -> list[dict[str, Any]]:
        """List the sessions in a channel on all nodes, by id: ``{"session", "user", "info", "node"}``.

        The list ends after ``limit`` of them. Sessions of a node that does not answer in time are left out.

        Raises:
            ValueError: a malformed channel.
            RedisUnavailable: no node could be asked.
        """
        if not is_channel_name(channel):
            raise ValueError(f"{channel!r} is no channel name")
        members: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None and len(members) < limit:
            page = await self._cluster.members(channel, after, min(limit - len(members), MAX_PAGE))
            members += page.entries
            after = page.next
        return members

    def emit(self, session_id: str, event: str, data: object = None) -> None:
        """Emit an event to one session of this node; ignore a session that is not here (any more).

        Raises:
            ValueError: a name that Socket.IO clients or Hornet reserve, or data that can't be sent.
            TypeError: data of a type that can't be sent.
        """
        self._engine.send(session_id, parse_event_name(event), data)

    def listen(self, topic: str, receive: Receiver) -> TopicListener:
        """Call ``receive(topic, payload)`` for each message that is published on a topic of Redis.

        Before the node has started, this takes effect with the start, which waits for Redis' confirmation.
        Afterwards it takes effect at once: await ``wait()`` of the result for the confirmation. ``stop()`` of
        the result ends it. After an outage of Redis, Hornet subscribes to the topic again; messages that were
        published meanwhile are missed.

        Raises:
            ValueError: no topic.
            TypeError: ``receive`` is an ``async def`` function.
        """
        return self._listeners.listen(topic, receive)
