"""Which part of a node receives what the listener hears: a table of topics, prefixes of topics, and globs."""

from __future__ import annotations

from hornet.broker.subscriber import Receive, ReceiveMatch


class TopicRouter:
    """Hands each publish to exactly one receiver; to none where the table names none.

    A topic that is in the table by its name goes by it, else by the longest prefix that fits.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Receive] = {}
        self._by_prefix: list[tuple[str, Receive]] = []
        self._by_glob: dict[str, ReceiveMatch] = {}
        self._other_globs: ReceiveMatch | None = None

    def on(self, topic: str, receive: Receive) -> None:
        """Have ``receive`` called for what is published on ``topic``."""
        self._by_name[topic] = receive

    def on_prefix(self, prefix: str, receive: Receive) -> None:
        """Have ``receive`` called for topics that begin with ``prefix``; all do with ``""``."""
        self._by_prefix.append((prefix, receive))
        self._by_prefix.sort(key=lambda entry: -len(entry[0]))

    def on_glob(self, glob: str, receive: ReceiveMatch) -> None:
        """Have ``receive`` called for what ``glob`` let through."""
        self._by_glob[glob] = receive

    def on_other_globs(self, receive: ReceiveMatch) -> None:
        """Have ``receive`` called for what the globs let through that :meth:`on_glob` does not name."""
        self._other_globs = receive

    def receive(self, topic: str, payload: bytes) -> None:
        """What the listener calls for a topic that is held by its name."""
        receive = self._by_name.get(topic)
        if receive is None:
            receive = next((one for prefix, one in self._by_prefix if topic.startswith(prefix)), None)
        if receive is not None:
            receive(topic, payload)

    def receive_match(self, glob: str, topic: str, payload: bytes) -> None:
        """What the listener calls for a topic that a glob let through."""
        receive = self._by_glob.get(glob, self._other_globs)
        if receive is not None:
            receive(glob, topic, payload)
