"""The methods of connectors, each in both ways: as commands to Redis, and as a request to the HTTP API.

Nothing here does I/O. :class:`Connector` and :class:`AsyncConnector` make a :class:`ConnectorCall` for each
method, and their transport carries it out in its own way. Wrong arguments are refused while the call is made,
with the same errors on both ways, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hornet.broker import user_commands
from hornet.broker.user_commands import RedisCommand, User
from hornet.connector import api, commands
from hornet.connector.api import ApiRequest
from hornet.connector.history import HistoryRead
from hornet.core.message_limit import MessageLimit
from hornet.core.tokens import create_token

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorCall(Generic[T]):
    """One call of a connector's method, which returns a ``T``."""

    commands: Sequence[RedisCommand]
    read_answers: Callable[[list[Any]], T]
    """Makes the result of the answers of Redis to the commands."""
    request: Callable[[], ApiRequest]
    read_response: Callable[[Mapping[str, Any]], T]
    """Makes the result of the JSON object that the API answers."""
    is_transaction: bool = False
    """Whether Redis carries out all commands or none."""
    is_message: bool = False
    """Whether each command publishes a message for clients, who may miss it while they are away."""
    then: Callable[[list[Any]], Sequence[RedisCommand]] | None = None
    """Makes further commands of the first ones' answers; ``read_answers`` then gets theirs."""


def create_access_token(
    channels: str | Iterable[str],
    *,
    ttl_s: int,
    token_length: int,
    user: User | None,
    info: Any,
    publish: str | Iterable[str],
) -> ConnectorCall[str]:
    """Make a one-time token. Over HTTP, Hornet chooses it.

    Raises:
        ValueError: see :func:`commands.make_grant` and :func:`commands.token_commands`.
    """
    token = create_token(token_length)
    grant = commands.make_grant(channels, user, info, publish)
    return ConnectorCall(
        commands=commands.token_commands(token, grant, ttl_s),
        is_transaction=True,
        read_answers=lambda _: token,
        request=lambda: api.token_request(grant, ttl_s),
        read_response=lambda body: str(body["token"]),
    )


def publish(
    channels: str | Iterable[str],
    type: str,
    message: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    limit: MessageLimit,
) -> ConnectorCall[int]:
    """Publish a message on channels; see :func:`commands.publish_commands` for its exceptions."""
    names = _listed(channels)
    return ConnectorCall(
        commands=commands.publish_commands(names, type, message, options, limit),
        is_message=True,
        read_answers=_sum,
        request=lambda: api.publish_request(names, type, message, options),
        read_response=lambda body: sum(entry["nodes"] for entry in body["published"]),
    )


def publish_to_pattern(pattern: Mapping[str, Any], payload: Any, limit: MessageLimit) -> ConnectorCall[int]:
    """Publish any JSON to a pattern; see :func:`commands.pattern_command` for its exceptions."""
    return ConnectorCall(
        commands=[commands.pattern_command(pattern, payload, limit)],
        is_message=True,
        read_answers=_sum,
        request=lambda: api.publish_to_pattern_request(pattern, payload),
        read_response=_nodes,
    )


def history(
    channel: str, *, limit: int, since: str | None, before: str | None, newest_first: bool
) -> ConnectorCall[dict[str, Any]]:
    """Read what was published on a channel; see :class:`HistoryRead` for its exceptions."""
    read = HistoryRead(channel, limit=limit, since=since, before=before, newest_first=newest_first)
    return ConnectorCall(
        commands=[read.command()],
        then=read.then,
        read_answers=read.read,
        request=read.request,
        read_response=dict,
    )


def disconnect_tokens(tokens: str | Iterable[str]) -> ConnectorCall[int]:
    """Revoke tokens; see :func:`commands.disconnect_command` for its exceptions."""
    listed = _listed(tokens)
    return ConnectorCall(
        commands=[commands.disconnect_command(listed)],
        read_answers=_sum,
        request=lambda: api.revoke_request(listed),
        read_response=_nodes,
    )


def set_user_session(user: User, session_id: str, ttl_s: int | None) -> ConnectorCall[None]:
    """Register a user's session id; see :func:`user_commands.set_user_session_command` for its exceptions."""
    return ConnectorCall(
        commands=[user_commands.set_user_session_command(user, session_id, ttl_s)],
        read_answers=lambda _: None,
        request=lambda: api.register_session_request(user, session_id, ttl_s),
        read_response=lambda _: None,
    )


def remove_user_session(user: User) -> ConnectorCall[bool]:
    """Remove a user's session id; raises ``ValueError`` for an invalid user id."""
    return ConnectorCall(
        commands=[user_commands.remove_user_session_command(user)],
        read_answers=lambda answers: bool(answers[0]),
        request=lambda: api.remove_session_request(user),
        read_response=lambda body: bool(body["removed"]),
    )


def notify(users: User | Iterable[User], event: str, payload: Any, limit: MessageLimit) -> ConnectorCall[int]:
    """Emit an event to users; see :func:`user_commands.notify_commands` for its exceptions.

    Raises:
        MessageTooLarge: the command is longer than ``limit``.
    """
    listed = _listed_users(users)
    redis_commands = user_commands.notify_commands(listed, event, payload)
    commands.check_length(redis_commands[0][-1], limit)  # the same text for each user
    return ConnectorCall(
        commands=redis_commands,
        is_message=True,
        read_answers=_sum,
        request=lambda: api.notify_request(listed, event, payload),
        read_response=_nodes,
    )


def subscribe_user(user: User, channels: str | Iterable[str]) -> ConnectorCall[int]:
    """Subscribe a user to channels; see :func:`user_commands.subscribe_command` for its exceptions."""
    names = _listed(channels)
    return ConnectorCall(
        commands=[user_commands.subscribe_command(user, names)],
        read_answers=_sum,
        request=lambda: api.subscribe_user_request(user, names),
        read_response=_changed,
    )


def unsubscribe_user(user: User, channels: str | Iterable[str]) -> ConnectorCall[int]:
    """Unsubscribe a user from channels; see :func:`user_commands.unsubscribe_command` for its exceptions.

    With an empty list, nothing is sent to Redis; the API has no such request, so a ``ValueError`` is raised.
    """
    names = _listed(channels) if channels else []
    return ConnectorCall(
        commands=[user_commands.unsubscribe_command(user, names)] if channels else [],
        read_answers=_sum,
        request=lambda: api.unsubscribe_user_request(user, names),
        read_response=_changed,
    )


def unsubscribe_user_from_all(user: User) -> ConnectorCall[int]:
    """Unsubscribe a user from all channels of the user; raises ``ValueError`` for an invalid user id."""

    def unsubscribe(answers: list[Any]) -> Sequence[RedisCommand]:
        names = _texts(answers[0])
        return [user_commands.unsubscribe_command(user, names)] if names else []

    return ConnectorCall(
        commands=[user_commands.channels_command(user)],
        then=unsubscribe,
        read_answers=_sum,
        request=lambda: api.unsubscribe_user_request(user, None),
        read_response=_changed,
    )


def user_channels(user: User) -> ConnectorCall[list[str]]:
    """Read a user's channels, sorted; raises ``ValueError`` for an invalid user id."""
    return ConnectorCall(
        commands=[user_commands.channels_command(user)],
        read_answers=lambda answers: _texts(answers[0]),
        request=lambda: api.user_request(user),
        read_response=lambda body: list(body["channels"]),
    )


def is_online(user: User) -> ConnectorCall[bool]:
    """Ask whether a user is online; raises ``ValueError`` for an invalid user id."""
    return ConnectorCall(
        commands=[user_commands.online_command(user)],
        read_answers=lambda answers: answers[0] is not None,
        request=lambda: api.user_request(user),
        read_response=lambda body: bool(body["online"]),
    )


def disconnect_user(users: User | Iterable[User]) -> ConnectorCall[int]:
    """End the sessions of users; see :func:`user_commands.disconnect_user_commands` for its exceptions."""
    listed = _listed_users(users)
    return ConnectorCall(
        commands=user_commands.disconnect_user_commands(listed),
        read_answers=_sum,
        request=lambda: api.disconnect_users_request(listed),
        read_response=_nodes,
    )


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _listed_users(users: User | Iterable[User]) -> list[User]:
    return [users] if isinstance(users, str | int) else list(users)


def _sum(answers: list[Any]) -> int:
    return sum(int(answer) for answer in answers)


def _texts(answer: Iterable[bytes | str]) -> list[str]:
    """Return an answer of Redis as sorted text; whether it comes as bytes depends on the client."""
    return sorted(name.decode() if isinstance(name, bytes) else name for name in answer)


def _nodes(body: Mapping[str, Any]) -> int:
    return int(body["nodes"])


def _changed(body: Mapping[str, Any]) -> int:
    return int(body["changed"])
