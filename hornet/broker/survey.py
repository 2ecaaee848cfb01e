"""Surveys: one question to all nodes on ``hornet:ask``, and an answer from each node that lives.

Some facts are spread over the nodes (the sessions, and those in a channel) and are kept in no single place.
A survey asks for them when they are needed, and its result says which nodes did not answer in time.
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

MAX_ANSWERS_BYTES = 4 << 20
"""Of all answers to one question together. Redis cuts a subscription connection on which 32 MiB wait, or
8 for a minute (``client-output-buffer-limit pubsub``); messages to clients come over the same connection."""

Answerer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Returns this node's part of an answer, which JSON can carry, from the data of the question. ``max_bytes``
in the data is the share of this node; an answer longer than all shares together is not sent."""


@dataclass(slots=True)
class SurveyResult:
    """``answers`` by node id. ``missing`` are living nodes that did not answer in time."""

    answers: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _PendingSurvey:
    """A question of this node; ``done`` when all of ``expected`` have answered."""

    expected: frozenset[str]
    done: asyncio.Future[None]
    answers: dict[str, Any] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, node: str, response: Mapping[str, Any]) -> None:
        if response.get("ok") is True:
            self.answers[node] = response.get("answer")
        else:
            self.failed.add(node)
        if self.expected <= self.answers.keys() | self.failed and not self.done.done():
            self.done.set_result(None)


class Survey:
    """Asks all nodes, this one included, and answers the questions of all nodes."""

    def __init__(self, *, client: Client, subscriber: Subscriber, nodes: Nodes, timeout_s: float) -> None:
        self._client = client
        self._subscriber = subscriber
        self._nodes = nodes
        self._timeout_s = timeout_s
        self._answerers: dict[str, Answerer] = {}
        self._pending: dict[str, _PendingSurvey] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.topics = frozenset((ASK_TOPIC, answer_topic(nodes.id)))
        """The topics whose messages :meth:`receive` takes."""
        self.dropped = 0
        """How many messages on these topics were neither a question nor an answer."""

    def on(self, question: str, answerer: Answerer) -> None:
        """Call ``answerer`` for ``question``, to answer for this node."""
        self._answerers[question] = answerer

    async def start(self) -> None:
        """Subscribe to questions, and to answers for this node."""
        await asyncio.gather(*(self._subscriber.subscribe(topic) for topic in self.topics))

    async def stop(self) -> None:
        """Cancel the answers under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, question: str, **data: Any) -> SurveyResult:
        """Ask all living nodes; return the answers that came in time.

        Raises:
            RedisUnavailable: the question could not be sent.
        """
        expected = frozenset(await self._nodes.living())
        number = secrets.token_hex(8)
        pending = _PendingSurvey(expected, asyncio.get_running_loop().create_future())
        self._pending[number] = pending
        try:
            share = {"max_bytes": MAX_ANSWERS_BYTES // max(1, len(expected))}
            request = {"id": number, "node": self._nodes.id, "question": question, "data": {**data, **share}}
            await call(self._client.publish, ASK_TOPIC, dump_ascii_json(request))
            await asyncio.wait((pending.done,), timeout=self._timeout_s)
        finally:
            del self._pending[number]
        missing = tuple(sorted((expected | pending.failed) - pending.answers.keys()))
        if missing:
            log.warning("Nodes %s did not answer the question %r in time", ", ".join(missing), question)
        return SurveyResult(pending.answers, missing)

    def receive(self, topic: str, payload: bytes) -> None:
        """Handle a message on one of ``topics``; drop and count it if it is neither question nor answer."""
        try:
            message = parse_json(payload)
            number, node = message["id"], message["node"]
            if not isinstance(number, str) or not isinstance(node, str):
                raise ValueError("a field is no string")
            if topic == ASK_TOPIC:
                self._start_answer(node, number, self._answerers[message["question"]], dict(message["data"]))
            elif number in self._pending:
                self._pending[number].add(node, message)
        except (ValueError, TypeError, KeyError) as error:
            self._drop(f"{len(payload)} bytes on {topic!r}, no question or answer", error)

    def _drop(self, what: str, error: Exception) -> None:
        self.dropped += 1
        log.warning("Dropped %s: %s", what, type(error).__name__)  # not its text, which may quote the message

    def _start_answer(self, asker: str, number: str, answerer: Answerer, data: dict[str, Any]) -> None:
        task = asyncio.create_task(self._answer(asker, number, answerer, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asker: str, number: str, answerer: Answerer, data: dict[str, Any]) -> None:
        response: dict[str, Any] = {"id": number, "node": self._nodes.id, "ok": True}
        try:
            response["answer"] = await answerer(data)
        except (ValueError, TypeError, KeyError) as error:  # no node of Hornet asked this
            self._drop(f"a question of node {asker}", error)
            response["ok"] = False
        except Exception:
            log.exception("A question of node %s can't be answered", asker)
            response["ok"] = False
        text = dump_ascii_json(response)
        if len(text) > MAX_ANSWERS_BYTES:
            log.error("An answer of %d bytes for node %s is too long to be sent", len(text), asker)
            text = dump_ascii_json({"id": number, "node": self._nodes.id, "ok": False})
        try:
            await call(self._client.publish, answer_topic(asker), text)
        except RedisUnavailable as error:
            log.warning("The answer for node %s was not sent: %s", asker, error)
