"""Asking all nodes: one question on ``hornet:ask``, an answer from each node that lives.

What is spread over the nodes (who is connected, who is in a channel) is in no one place. So it is asked for
when somebody wants to know, and the result says which nodes did not answer in time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hornet.broker.client import Client, call
from hornet.broker.keys import ASK_TOPIC, answer_topic
from hornet.broker.nodes import Nodes
from hornet.broker.subscriber import Subscriber
from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import dump_ascii_json, parse_json

log = logging.getLogger(__name__)

Answerer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Gives this node's part of an answer, which JSON can carry, from what the question says."""


@dataclass(slots=True)
class Collected:
    """``answers`` by node id. ``missing`` are living nodes of which none came in time."""

    answers: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Pending:
    """A question of this node's; ``done`` when all of ``expected`` have answered."""

    expected: frozenset[str]
    done: asyncio.Future[None]
    answers: dict[str, Any] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, node: str, said: Mapping[str, Any]) -> None:
        if said.get("ok") is True:
            self.answers[node] = said.get("answer")
        else:
            self.failed.add(node)
        if self.expected <= self.answers.keys() | self.failed and not self.done.done():
            self.done.set_result(None)


class Survey:
    """Asks all nodes, this one included, and answers what they ask."""

    def __init__(self, client: Client, listener: Subscriber, nodes: Nodes, *, timeout_s: float) -> None:
        self._client = client
        self._listener = listener
        self._nodes = nodes
        self._timeout_s = timeout_s
        self._answerers: dict[str, Answerer] = {}
        self._pending: dict[str, _Pending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.topics = frozenset((ASK_TOPIC, answer_topic(nodes.id)))
        """What :meth:`receive` takes."""
        self.dropped = 0
        """What came on these topics and was no question and no answer."""

    def on(self, question: str, answerer: Answerer) -> None:
        """Have ``answerer`` answer ``question`` for this node."""
        self._answerers[question] = answerer

    async def start(self) -> None:
        """Hear questions and answers from now on."""
        await asyncio.gather(*(self._listener.subscribe(topic) for topic in self.topics))

    async def stop(self) -> None:
        """Answer no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, question: str, **data: Any) -> Collected:
        """What all living nodes answer, or those that did so in time.

        Raises:
            RedisUnavailable: nobody could be asked.
        """
        expected = frozenset(await self._nodes.living())
        number = secrets.token_hex(8)
        pending = self._pending[number] = _Pending(expected, asyncio.get_running_loop().create_future())
        try:
            asked = {"id": number, "node": self._nodes.id, "question": question, "data": data}
            await call(self._client.publish, ASK_TOPIC, dump_ascii_json(asked))
            await asyncio.wait((pending.done,), timeout=self._timeout_s)
        finally:
            del self._pending[number]
        missing = tuple(sorted((expected | pending.failed) - pending.answers.keys()))
        if missing:
            log.warning("Nodes %s did not answer the question %r in time", ", ".join(missing), question)
        return Collected(pending.answers, missing)

    def receive(self, topic: str, payload: bytes) -> None:
        """Handle what came on one of ``topics``; what is neither question nor answer is dropped, counted."""
        try:
            said = parse_json(payload)
            number, node = said["id"], said["node"]
            if not isinstance(number, str) or not isinstance(node, str):
                raise ValueError("a field is no string")
            if topic == ASK_TOPIC:
                self._start_answer(node, number, self._answerers[said["question"]], dict(said["data"]))
            elif number in self._pending:
                self._pending[number].add(node, said)
        except (ValueError, TypeError, KeyError) as error:
            self.dropped += 1
            why = type(error).__name__  # not its text, which may quote what came
            log.warning("Dropped %d bytes on %r, no question or answer: %s", len(payload), topic, why)

    def _start_answer(self, asker: str, number: str, answerer: Answerer, data: dict[str, Any]) -> None:
        task = asyncio.create_task(self._answer(asker, number, answerer, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asker: str, number: str, answerer: Answerer, data: dict[str, Any]) -> None:
        said: dict[str, Any] = {"id": number, "node": self._nodes.id, "ok": True}
        try:
            said["answer"] = await answerer(data)
        except Exception:
            log.exception("A question of node %s can't be answered", asker)
            said["ok"] = False
        try:
            await call(self._client.publish, answer_topic(asker), dump_ascii_json(said))
        except RedisUnavailable as error:
            log.warning("Node %s got no answer: %s", asker, error)
