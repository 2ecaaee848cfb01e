"""Which part of a node receives a message: a table of topics, prefixes of topics, and globs."""

from __future__ import annotations

from hornet.broker.subscription_connection import Receive, ReceiveMatch


class TopicRouter:
    """Hands each message to exactly one receiver, or drops it where the table names none.

    The name of a topic counts before prefixes, and a longer prefix before a shorter one.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Receive] = {}
        self._by_prefix: list[tuple[str, Receive]] = []
        self._by_glob: dict[str, ReceiveMatch] = {}
        self._other_globs: ReceiveMatch | None = None

    def on(self, topic: str, receive: Receive) -> None:
        """Call ``receive`` for messages on ``topic``."""
        self._by_name[topic] = receive

    def off(self, topic: str) -> Receive | None:
        """Undo :meth:`on`, and return the receiver that was called; None where the topic had none."""
        return self._by_name.pop(topic, None)

    def on_prefix(self, prefix: str, receive: Receive) -> None:
        """Call ``receive`` for topics that begin with ``prefix``, which may be ``""``."""
        self._by_prefix.append((prefix, receive))
        self._by_prefix.sort(key=lambda entry: -len(entry[0]))

    def on_glob(self, glob: str, receive: ReceiveMatch) -> None:
        """Call ``receive`` for messages whose topic matches ``glob``."""
        self._by_glob[glob] = receive

    def on_other_globs(self, receive: ReceiveMatch) -> None:
        """Call ``receive`` for messages that matched another glob than those given to :meth:`on_glob`."""
        self._other_globs = receive

    def find_by_prefix(self, topic: str) -> Receive | None:
        """Return the receiver of topics that begin as ``topic`` does; None where the table names none."""
        return next((entry[1] for entry in self._by_prefix if topic.startswith(entry[0])), None)

    def receive(self, topic: str, payload: bytes) -> None:
        """Pass on a message on a topic that is subscribed by its name; the subscriber calls this."""
        receive = self._by_name.get(topic)
        if receive is None:
            receive = next((entry[1] for entry in self._by_prefix if topic.startswith(entry[0])), None)
        if receive is not None:
            receive(topic, payload)

    def receive_match(self, glob: str, topic: str, payload: bytes) -> None:
        """Pass on a message whose topic matched a subscribed glob; the subscriber calls this."""
        receive = self._by_glob.get(glob, self._other_globs)
        if receive is not None:
            receive(glob, topic, payload)
