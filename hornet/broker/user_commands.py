"""The Redis commands for users. Connectors and nodes send exactly these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hornet.broker.keys import USERS, channel_users_key, user_channels_key, user_session_key, user_topic
from hornet.core.backend_commands import CHANNELS_CHANGED, DISCONNECT, dump_notify
from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.grants import parse_user_id
from hornet.core.user_sessions import is_session_id

RedisCommand = tuple[str, ...]
User = str | int

# One step, so that both directions agree, and a node that is told of the change finds it done.
_CHANGE = """
local changed = 0
for i = 4, #ARGV do
  changed = changed + redis.call(ARGV[1], KEYS[1], ARGV[i])
  redis.call(ARGV[1], KEYS[i - 2], ARGV[2])
end
if changed > 0 then redis.call('PUBLISH', ARGV[3], 'CHANGED') end
return changed
""".replace("CHANGED", CHANNELS_CHANGED)


def notify_commands(users: User | Iterable[User], event: str, payload: object) -> list[RedisCommand]:
    """Emit ``event`` to every session of ``users``. Each command answers how many nodes received it.

    Raises:
        ValueError: no user, an invalid user id, a reserved event, or a payload that JSON can't carry.
    """
    text = dump_notify(event, payload)
    return [("PUBLISH", user_topic(user), text) for user in _users(users)]


def disconnect_user_commands(users: User | Iterable[User]) -> list[RedisCommand]:
    """End the sessions of ``users``. Each command answers how many nodes received it.

    Raises:
        ValueError: no user, or an invalid user id.
    """
    return [("PUBLISH", user_topic(user), DISCONNECT) for user in _users(users)]


def subscribe_command(user: User, channels: str | Iterable[str]) -> RedisCommand:
    """Subscribe all sessions of ``user``, present and future; answers how many channels are new.

    Raises:
        ValueError: an invalid user id, no channel, an invalid channel, or the reserved one.
    """
    return _change("SADD", user, channels)


def unsubscribe_command(user: User, channels: str | Iterable[str]) -> RedisCommand:
    """Unsubscribe ``user``; answers how many of the channels the user had.

    Raises:
        ValueError: an invalid user id, no channel, an invalid channel, or the reserved one.
    """
    return _change("SREM", user, channels)


def channels_command(user: User) -> RedisCommand:
    """Read the channels to which the backend subscribed ``user``."""
    return ("SMEMBERS", user_channels_key(parse_user_id(user)))


def channel_users_command(channel: str) -> RedisCommand:
    """Read the users that the backend subscribed to ``channel``."""
    return ("SMEMBERS", channel_users_key(channel))


def online_command(user: User) -> RedisCommand:
    """Ask whether ``user`` is online; answers nil for a user who is not."""
    return ("ZSCORE", USERS, parse_user_id(user))


def set_user_session_command(user: User, session_id: str, ttl_s: int | None) -> RedisCommand:
    """Register ``session_id`` as proof to be ``user``, in place of the one registered before.

    Raises:
        ValueError: an invalid user id or session id, or a life shorter than a second.
    """
    if not is_session_id(session_id):
        raise ValueError("a session id is text of 1 to 512 characters")
    if ttl_s is not None and ttl_s < 1:
        raise ValueError("a session id lives at least one second")
    expiry = () if ttl_s is None else ("EX", str(ttl_s))
    return ("SET", user_session_key(parse_user_id(user)), session_id, *expiry)


def remove_user_session_command(user: User) -> RedisCommand:
    """Remove the session id of ``user``; answers whether there was one.

    Raises:
        ValueError: an invalid user id.
    """
    return ("DEL", user_session_key(parse_user_id(user)))


def _change(verb: str, user: User, channels: str | Iterable[str]) -> RedisCommand:
    user = parse_user_id(user)
    names = [channels] if isinstance(channels, str) else list(dict.fromkeys(channels))
    if not names:
        raise ValueError("no channel given")
    for name in names:
        if not is_channel_name(name) or name == CONTROL_CHANNEL:
            raise ValueError(f"{name!r} is no channel that a user may have")
    keys = (user_channels_key(user), *(channel_users_key(name) for name in names))
    return ("EVAL", _CHANGE, str(len(keys)), *keys, verb, user, user_topic(user), *names)


def _users(users: User | Iterable[User]) -> Sequence[str]:
    listed = [users] if isinstance(users, str | int) else list(users)
    if not listed:
        raise ValueError("no user given")
    return list(dict.fromkeys(parse_user_id(user) for user in listed))
