"""Which users are online, with which sessions, on which nodes; Redis stays right when a node is killed.

A user with a session is online. When the last session ends, the user is leaving, and will be gone at the end
of the grace period; a session that comes before that is not an arrival. The first node to find the period
over removes the user and publishes that, in one step, so it is published once.

Each change is one script, which also publishes the event that belongs to it. So events come in the order of
the changes, on all nodes. The time is that of Redis. All keys share a hash tag (see
:mod:`hornet.broker.keys`).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hornet.broker.batching import CommandBatcher
from hornet.broker.client import Client, call
from hornet.broker.keys import (
    EVENTS_USER_GONE,
    EVENTS_USER_ONLINE,
    EVENTS_USER_SESSION,
    USERS,
    USERS_EPOCH,
    USERS_LEAVING,
    channel_users_key,
    node_sessions_key,
    user_channels_key,
    user_sessions_key,
)
from hornet.broker.user_commands import RedisCommand
from hornet.core.jsontext import parse_json

PAGE = 500
"""How many users or sessions one command handles at most, so that Redis serves other clients in between."""

SWEEP_LATE_S = 1.0
"""How long a sweep may take to reach Redis."""

# The epoch is when the present data of Redis began: it changes when Redis loses them.
# KEYS in all of these: users, leaving users, sessions of the user, of the node, channels of the user, epoch
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_REGISTER = """
local function register(user, node, sid, address)
  redis.call('ZADD', KEYS[1], 0, user)
  redis.call('ZREM', KEYS[2], user)
  local held = redis.call('HGET', KEYS[3], sid)
  if not held or cjson.decode(held).node ~= node then
    redis.call('HSET', KEYS[3], sid, cjson.encode({node = node, address = address, since = now}))
  end
  redis.call('HSET', KEYS[4], sid, user)
end
"""

_ARRIVE = f"""
{_NOW}
{_REGISTER}
local user, node, sid, address, limit, online, further = unpack(ARGV)
local others = redis.call('HLEN', KEYS[3])
local is_new = redis.call('HEXISTS', KEYS[3], sid) == 0
if is_new and others >= tonumber(limit) then return {{0}} end
local was_online = redis.call('ZSCORE', KEYS[1], user)
register(user, node, sid, address)
redis.call('SET', KEYS[6], now, 'NX')
if is_new and (others > 0 or not was_online) then
  local event = {{user = user, session = sid, node = node, sessions = others + 1}}
  redis.call('PUBLISH', was_online and further or online, cjson.encode(event))
end
local sessions = redis.call('HLEN', KEYS[3])
return {{sessions, was_online and 1 or 0, redis.call('GET', KEYS[6]), redis.call('SMEMBERS', KEYS[5])}}
"""

# A session that came back on another node is that node's by now.
_DEPART = f"""
{_NOW}
local user, sid, grace_ms, node = unpack(ARGV)
redis.call('HDEL', KEYS[4], sid)
local held = redis.call('HGET', KEYS[3], sid)
if held and cjson.decode(held).node ~= node then return end
if redis.call('HDEL', KEYS[3], sid) == 1 and redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('ZADD', KEYS[2], now + grace_ms, user)
end
"""

# A Redis that lost its data has another epoch. Then the channels that the node knows are written back. In the
# same epoch, a user who is not online was published as gone while this node was taken for dead.
# KEYS from the 7th: the users of each of these channels. ARGV from the 6th: the channels, then the sessions.
_RESTORE = f"""
{_NOW}
{_REGISTER}
local user, node, known, online, channels = unpack(ARGV, 1, 5)
redis.call('SET', KEYS[6], now, 'NX')
local epoch = redis.call('GET', KEYS[6])
if epoch ~= known then
  for i = 1, channels do
    redis.call('SADD', KEYS[5], ARGV[5 + i])
    redis.call('SADD', KEYS[6 + i], user)
  end
end
local first = 6 + channels
if epoch == known and ARGV[first] and not redis.call('ZSCORE', KEYS[1], user) then
  local event = {{user = user, session = ARGV[first], node = node, sessions = 1}}
  redis.call('PUBLISH', online, cjson.encode(event))
end
for i = first, #ARGV, 2 do register(user, node, ARGV[i], ARGV[i + 1]) end
return {{epoch, redis.call('SMEMBERS', KEYS[5])}}
"""

# KEYS: users, leaving users, sessions of this node.
# ARGV[3] and ARGV[4]: how the keys of a user's channels, and of a channel's users, begin, which a Cluster has
# in the same slot. Both are empty where users who are gone keep their channels. ARGV[5]: until when, by the
# clock of Redis, users may be removed; empty for ever.
_SWEEP = f"""
{_NOW}
local function forget_channels(user)
  for _, channel in ipairs(redis.call('SMEMBERS', ARGV[3] .. user)) do
    redis.call('SREM', ARGV[4] .. channel, user)
  end
  redis.call('DEL', ARGV[3] .. user)
end
local is_late = ARGV[5] ~= '' and now > tonumber(ARGV[5])
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, is_late and 0 or ARGV[1])
for _, user in ipairs(gone) do
  redis.call('ZREM', KEYS[2], user)
  redis.call('ZREM', KEYS[1], user)
  if ARGV[3] ~= '' then forget_channels(user) end
  redis.call('PUBLISH', ARGV[2], cjson.encode({{user = user}}))
end
return {{redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[2]), gone, now}}
"""


@dataclass(frozen=True, slots=True)
class KnownChannels:
    """The channels of a user as Redis had them last, and in which epoch of its data that was."""

    epoch: str = ""
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A session that counts now. ``sessions`` is how many its user has; ``is_first`` if none was online."""

    sessions: int
    is_first: bool
    known: KnownChannels


@dataclass(frozen=True, slots=True)
class Sweep:
    """The users that are ``gone`` now, and how many are still ``leaving``, on all nodes.

    ``node_sessions`` is how many sessions Redis has of this node.
    """

    gone: tuple[str, ...]
    leaving: int
    node_sessions: int


@dataclass(frozen=True, slots=True)
class ConnectedSession:
    """A session of a user, on any node. ``since_ms`` is Unix time in milliseconds."""

    session: str
    node: str
    address: str
    since_ms: int


class UserStore:
    """Writes the sessions of this node's users. Every call may be repeated without harm.

    Every call may raise ``RedisUnavailable``; it is then not known whether it was carried out.
    """

    def __init__(
        self,
        *,
        client: Client,
        node: str,
        grace_s: float,
        max_sessions: int,
        forgets_channels: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """If ``forgets_channels``, take the channels that backends gave a user away once the user is gone.

        ``clock`` counts seconds.
        """
        self._forgets_channels = forgets_channels
        self.node = node
        self.grace_s = grace_s
        self._client = client
        self._batcher = CommandBatcher(client)
        self._max_sessions = max_sessions
        self._clock = clock
        self._ahead_ms: float | None = None
        """By how much the clock of Redis is ahead of this one, by the last sweep."""

    def configure(self, *, max_sessions: int) -> None:
        """Change how many sessions a user may have, for sessions that come from now on."""
        self._max_sessions = max_sessions

    async def arrive(self, user: str, sid: str, address: str) -> Arrival | None:
        """Count a session of this node as the user's; None when the user has too many already."""
        sessions, *answer = await self._run(
            _ARRIVE,
            _keys(user, self.node),
            user,
            self.node,
            sid,
            address,
            self._max_sessions,
            EVENTS_USER_ONLINE,
            EVENTS_USER_SESSION,
        )
        if not sessions:
            return None
        was_online, epoch, channels = answer
        return Arrival(sessions, not was_online, _known(epoch, channels))

    async def depart(self, user: str, sid: str, node: str | None = None) -> None:
        """Stop counting a session. With the user's last one, the grace period begins."""
        node = node or self.node
        await self._run(_DEPART, _keys(user, node)[:4], user, sid, int(self.grace_s * 1000), node)

    async def read(self, user: str, known: KnownChannels) -> KnownChannels:
        """Return the user's channels now, together with known ones if Redis has lost its data since."""
        return await self.restore(user, {}, known)

    async def restore(self, user: str, sessions: Mapping[str, str], known: KnownChannels) -> KnownChannels:
        """Count ``sessions`` of this node (id to address) as the user's, even if Redis has lost its data."""
        channels = sorted(known.channels)
        epoch, channels_now = await self._run(
            _RESTORE,
            (*_keys(user, self.node), *(channel_users_key(channel) for channel in channels)),
            user,
            self.node,
            known.epoch,
            EVENTS_USER_ONLINE,
            len(channels),
            *channels,
            *(text for pair in sessions.items() for text in pair),
        )
        return _known(epoch, channels_now)

    async def sweep(self, limit: int = PAGE) -> Sweep:
        """Remove the users whose grace period is over, ``limit`` at most, and publish that they are gone.

        A sweep that waits in a Redis which stalls removes nobody: arrivals may wait behind it.
        """
        keys = (USERS, USERS_LEAVING, node_sessions_key(self.node))
        prefixes = (user_channels_key(""), channel_users_key("")) if self._forgets_channels else ("", "")
        due = "" if self._ahead_ms is None else int(self._ahead_ms + (self._clock() + SWEEP_LATE_S) * 1000)
        node_sessions, leaving, gone, now = await self._run(
            _SWEEP, keys, limit, EVENTS_USER_GONE, *prefixes, due
        )
        self._ahead_ms = now - self._clock() * 1000
        return Sweep(tuple(user.decode() for user in gone), leaving, node_sessions)

    async def sessions_of_node(self, node: str) -> AsyncIterator[Collection[tuple[str, str]]]:
        """Yield the sessions that Redis has of a node, as pages of (id, user)."""
        cursor = 0
        while True:
            cursor, page = await call(self._client.hscan, node_sessions_key(node), cursor, count=PAGE)
            yield [(sid.decode(), user.decode()) for sid, user in page.items()]
            if not cursor:
                return

    async def _run(self, script: str, keys: Collection[str], *args: object) -> list[Any]:
        answer: list[Any] = await self._batcher.execute("EVAL", script, len(keys), *keys, *args)
        return answer


class UserLists:
    """Reads the users of the whole cluster. Every call may raise ``RedisUnavailable``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def count_online(self) -> int:
        """Return how many users are online."""
        return int(await call(self._client.zcard, USERS))

    async def online(self, after: str, limit: int) -> list[str]:
        """Return the first ``limit`` of the users online whose ids sort after ``after``, in that order."""
        start = f"({after}" if after else "-"
        page = await call(self._client.zrangebylex, USERS, start, "+", 0, limit)
        return [user.decode() for user in page]

    async def sessions(self, user: str) -> list[ConnectedSession]:
        """Return all sessions of a user, the oldest first."""
        entries = await call(self._client.hgetall, user_sessions_key(user))
        sessions = [_connected_session(sid.decode(), parse_json(text)) for sid, text in entries.items()]
        return sorted(sessions, key=lambda session: (session.since_ms, session.session))

    async def ask(self, command: RedisCommand) -> Any:
        """Return the answer to one of the commands in :mod:`hornet.broker.user_commands`."""
        return await call(self._client.execute_command, *command)


def _connected_session(sid: str, fields: dict[str, Any]) -> ConnectedSession:
    return ConnectedSession(sid, fields["node"], fields["address"], int(fields["since"]))


def _keys(user: str, node: str) -> tuple[str, ...]:
    return (
        USERS,
        USERS_LEAVING,
        user_sessions_key(user),
        node_sessions_key(node),
        user_channels_key(user),
        USERS_EPOCH,
    )


def _known(epoch: bytes, channels: Collection[bytes]) -> KnownChannels:
    return KnownChannels(epoch.decode(), frozenset(name.decode() for name in channels))
