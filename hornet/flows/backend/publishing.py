"""What backends publish over HTTP: it goes to Redis as a connector's publish does, and comes back as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornet.broker.keys import CONTROL_TOPIC, channel_topic
from hornet.broker.publisher import Once, Publication, Published, Publisher
from hornet.broker.user_commands import notify_commands
from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import dump_json
from hornet.core.messages import parse_publish
from hornet.core.patterns import parse_publication

__all__ = ["Once", "Outbound", "Published", "Publishing"]

MAX_BYTES = 16_777_216
"""Of all that one request publishes: a message that goes to many channels counts for each."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message for some channels; ``only`` and ``but`` are tokens, or ids of sessions."""

    channels: Sequence[str]
    type: str
    message: Mapping[str, Any]
    only: str | Sequence[str] | None = None
    but: str | Sequence[str] | None = None

    def text(self) -> str:
        """The JSON text, as a connector makes it: ``type`` wins over a field of that name.

        Raises:
            InvalidPublish: ``NOT_JSON``: the message holds what JSON can't carry.
        """
        address = {"only": self.only, "except": self.but}
        given = {name: value for name, value in address.items() if value is not None}
        own = {name: value for name, value in self.message.items() if name not in address}
        return _dump({**own, **given, "type": self.type})


class Publishing:
    """Publishes for backends."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, messages: Iterable[Outbound], once: Once | None = None) -> Published:
        """Publish each message on each of its channels, in order; the counts are in that order.

        Raises:
            InvalidPublish: ``NOT_JSON``, ``RESERVED_CHANNEL`` or ``TOO_LARGE``; nothing was published.
            KeyReused: as :meth:`Publisher.publish_once`.
            RedisUnavailable: not known what was published.
        """
        publications: list[Publication] = []
        for message in messages:
            if CONTROL_CHANNEL in message.channels:
                raise InvalidPublish(codes.RESERVED_CHANNEL, f"channel {CONTROL_CHANNEL!r} is Hornet's own")
            text = message.text()
            parse_publish(message.channels[0], text.encode())  # as every node will read it
            publications.extend(Publication(channel_topic(channel), text) for channel in message.channels)
        return await self._send(publications, once)

    async def publish_to_pattern(
        self, pattern: Mapping[str, Any], payload: object, once: Once | None = None
    ) -> Published:
        """Publish ``payload``, any JSON, for those who subscribed to such keys and values.

        Raises:
            PeerError: ``BAD_PATTERN``; or ``NOT_JSON`` or ``TOO_LARGE``, an InvalidPublish.
            KeyReused, RedisUnavailable: as :meth:`publish`.
        """
        return await self._send([Publication(parse_publication(pattern), _dump(payload))], once)

    async def notify(
        self, users: Sequence[str | int], event: str, payload: object, once: Once | None = None
    ) -> Published:
        """Emit an event to every session of the users; the counts are in their order, each user once.

        Raises:
            InvalidPublish: ``INVALID_REQUEST`` for what is no user or no event of a client's; ``TOO_LARGE``.
            KeyReused, RedisUnavailable: as :meth:`publish`.
        """
        try:
            commands = notify_commands(users, event, payload)
        except ValueError as error:
            raise InvalidPublish(codes.INVALID_REQUEST, str(error)) from None
        return await self._send([Publication(topic, text) for _, topic, text in commands], once)

    async def disconnect_tokens(self, tokens: Sequence[str]) -> int:
        """Close the sessions of ``tokens`` on every node, and kill those unused; how many nodes heard it.

        Raises:
            RedisUnavailable: not known whether they heard it.
        """
        text = dump_json({"type": "disconnect_tokens", "tokens": list(tokens)})
        published = await self._publisher.publish([Publication(CONTROL_TOPIC, text)])
        return published.nodes[0]

    async def _send(self, publications: Sequence[Publication], once: Once | None) -> Published:
        if sum(len(one.text) for one in publications) > MAX_BYTES:
            raise InvalidPublish(
                codes.TOO_LARGE, f"the request publishes more than {MAX_BYTES} characters in all"
            )
        if once is None:
            return await self._publisher.publish(publications)
        return await self._publisher.publish_once(publications, once)


def _dump(value: object) -> str:
    try:
        return dump_json(value)
    except ValueError as error:
        raise InvalidPublish(codes.NOT_JSON, str(error)) from None
