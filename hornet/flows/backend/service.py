"""The requests of backends over HTTP: publish messages, make and revoke tokens, register credentials.

A message goes to Redis exactly as a connector publishes it. Every node, this one included, receives it from
there, so it makes no difference on which node a backend asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornet.broker.keys import CONTROL_TOPIC, channel_topic
from hornet.broker.publisher import Once, Publication, Published, Publisher
from hornet.broker.tokens import TokenStore
from hornet.broker.user_commands import notify_commands
from hornet.broker.user_sessions import UserSessionStore
from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.errors import InvalidPublish
from hornet.core.grants import Grant
from hornet.core.jsontext import dump_json
from hornet.core.message_limit import MessageLimit
from hornet.core.messages import parse_pattern_publish, parse_publish
from hornet.core.patterns import parse_publication
from hornet.core.tokens import create_token
from hornet.core.user_sessions import UserSession

__all__ = ["BackendService", "Once", "OutboundMessage", "Published", "message_body"]

MAX_PUBLISH_CHARS = 16_777_216
"""Of all that one request publishes. A message for several channels counts once for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One message for some channels. ``only`` and ``exclude`` are tokens, or ids of sessions."""

    channels: Sequence[str]
    type: str
    message: Mapping[str, Any]
    only: str | Sequence[str] | None = None
    exclude: str | Sequence[str] | None = None

    def text(self) -> str:
        """Return the JSON text, as a connector makes it: ``type`` wins over a field of that name.

        Raises:
            InvalidPublish: ``NOT_JSON``: the message holds a value that JSON can't carry.
        """
        return _dump(message_body(self.type, self.message, only=self.only, exclude=self.exclude))


def message_body(
    type: str,
    message: Mapping[str, Any],
    *,
    only: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return a message as it is published: ``type`` and the addresses win over fields of their names."""
    recipients = {"only": only, "except": exclude}
    given = {name: value for name, value in recipients.items() if value is not None}
    fields = {name: value for name, value in message.items() if name not in recipients}
    return {**fields, **given, "type": type}


class BackendService:
    """Carries out the requests of backends.

    Each method may raise ``RedisUnavailable``: Redis may then have carried the request out, or not.
    """

    def __init__(
        self,
        *,
        publisher: Publisher,
        tokens: TokenStore,
        user_sessions: UserSessionStore,
        limit: MessageLimit,
    ) -> None:
        self._publisher = publisher
        self._tokens = tokens
        self._user_sessions = user_sessions
        self._limit = limit

    # Publishing ----------------------------------------------------------------------------------

    async def publish(self, messages: Iterable[OutboundMessage], once: Once | None = None) -> Published:
        """Publish each message on each of its channels, in order; the counts are in that order.

        Raises:
            InvalidPublish: ``NOT_JSON``, ``RESERVED_CHANNEL`` or ``TOO_LARGE``; nothing was published.
            KeyReused: another request carried the id of ``once``, see :meth:`Publisher.publish_once`.
        """
        publications: list[Publication] = []
        for message in messages:
            if CONTROL_CHANNEL in message.channels:
                raise InvalidPublish(codes.RESERVED_CHANNEL, f"channel {CONTROL_CHANNEL!r} is Hornet's own")
            text = message.text()
            self._limit.check_text(text)
            parse_publish(message.channels[0], text.encode())  # every node will read the text in this way
            publications.extend(Publication(channel_topic(channel), text) for channel in message.channels)
        return await self._publish(publications, once)

    async def publish_to_pattern(
        self, pattern: Mapping[str, Any], payload: object, once: Once | None = None
    ) -> Published:
        """Publish ``payload``, any JSON, for the clients that subscribed to such keys and values.

        Raises:
            PeerError: ``BAD_PATTERN``; or ``NOT_JSON``, ``BAD_ADDRESS`` or ``TOO_LARGE``, an InvalidPublish.
            KeyReused: as :meth:`publish`.
        """
        topic, text = parse_publication(pattern), _dump(payload)
        self._limit.check_text(text)
        parse_pattern_publish(topic, text.encode())  # every node will read the text in this way
        return await self._publish([Publication(topic, text)], once)

    async def notify(
        self, users: Sequence[str | int], event: str, payload: object, once: Once | None = None
    ) -> Published:
        """Emit an event to every session of the users; the counts are in their order, each user once.

        Raises:
            InvalidPublish: ``INVALID_REQUEST`` for a malformed user, or an event that no client can be sent;
                ``TOO_LARGE``.
            KeyReused: as :meth:`publish`.
        """
        try:
            commands = notify_commands(users, event, payload)
        except ValueError as error:
            raise InvalidPublish(codes.INVALID_REQUEST, str(error)) from None
        self._limit.check_text(commands[0][2])  # the same text for each user
        return await self._publish([Publication(topic, text) for _, topic, text in commands], once)

    # Tokens --------------------------------------------------------------------------------------

    async def create_token(self, grant: Grant, ttl_s: int) -> str:
        """Return a fresh token that gives ``grant`` to one client within ``ttl_s``.

        Raises:
            ValueError: the info of the grant can't be stored.
        """
        token = create_token()
        await self._tokens.create(token, grant, ttl_s)
        return token

    async def revoke_tokens(self, tokens: Sequence[str]) -> int:
        """End the sessions of ``tokens`` on every node, delete unused ones; return how many nodes heard."""
        text = dump_json({"type": "disconnect_tokens", "tokens": list(tokens)})
        published = await self._publisher.publish([Publication(CONTROL_TOPIC, text)])
        return published.nodes[0]

    # Credentials of users ------------------------------------------------------------------------

    async def register_credential(self, user: str, session_id: str, ttl_s: int | None) -> None:
        """Let ``session_id`` prove its bearer to be ``user``, for ``ttl_s`` or until it is removed.

        A user has one such id: registering another one replaces it.
        """
        await self._user_sessions.set(user, session_id, ttl_s)

    async def is_credential(self, user: str, session_id: str) -> bool:
        """Check whether ``session_id`` is the id that is registered for the user now."""
        registered = await self._user_sessions.get(user)
        return registered is not None and UserSession(user, session_id).matches(registered)

    async def remove_credential(self, user: str) -> bool:
        """Remove the user's id; return whether there was one. Sessions that showed it stay connected."""
        return await self._user_sessions.remove(user)

    async def _publish(self, publications: Sequence[Publication], once: Once | None) -> Published:
        if sum(len(publication.text) for publication in publications) > MAX_PUBLISH_CHARS:
            raise InvalidPublish(
                codes.TOO_LARGE, f"the request publishes more than {MAX_PUBLISH_CHARS} characters in all"
            )
        if once is None:
            return await self._publisher.publish(publications)
        return await self._publisher.publish_once(publications, once)


def _dump(value: object) -> str:
    try:
        return dump_json(value)
    except ValueError as error:
        raise InvalidPublish(codes.NOT_JSON, str(error)) from None
