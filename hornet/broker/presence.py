"""The members of channels in Redis, where all nodes can read them and clean up after a dead node.

``hornet:presence:<channel>`` is a HASH: a field ``<node>/<session>`` for each session that is present, with
its member as JSON, and the empty field with ``<epoch>:<version>``. Each change is one script, which also
publishes it as a notice on the topic of the same name. ``hornet:node:<id>:presence`` has the channels on
which a node wrote, for the node that cleans up behind it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence

from hornet.broker.client import Client, call
from hornet.broker.keys import node_presence_key, presence_key
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.presence import Member, PresenceNotice, PresenceSnapshot, load_member

SESSIONS_PER_SCRIPT = 500
"""Redis serves no other client during a script; this many sessions take it about a millisecond."""

# ``put`` and ``gone`` have only real changes. An empty channel leaves no key, so its next version is the
# first of another epoch.
_PUBLISH_CHANGE = """
if #put == 0 and #gone == 0 then return false end
local state = redis.call('HGET', KEYS[1], '')
local epoch, version = ARGV[1], 0
if state then
  epoch, version = state:match('^(.*):(%d+)$')
end
version = version + 1
if redis.call('HLEN', KEYS[1]) == (state and 1 or 0) then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], '', string.format('%s:%d', epoch, version))
end
local notice = cjson.encode({epoch, string.format('%d', version), put, gone})
redis.call('PUBLISH', KEYS[1], notice)
return notice
"""

_CHANGE = (
    """
local put, gone = {}, {}
local last = 2 + 2 * ARGV[2]
for i = 3, last, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    put[#put + 1] = ARGV[i]
    put[#put + 1] = ARGV[i + 1]
  end
end
for i = last + 1, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then gone[#gone + 1] = ARGV[i] end
end
"""
    + _PUBLISH_CHANGE
)

_SWEEP = (
    """
local put, gone = {}, {}
for _, session in ipairs(redis.call('HKEYS', KEYS[1])) do
  if session:sub(1, #ARGV[2]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], session)
    gone[#gone + 1] = session
  end
end
"""
    + _PUBLISH_CHANGE
)


class PresenceStore:
    """The members of all channels in Redis, and this node's own part of them."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node

    def session_key(self, sid: str, node: str | None = None) -> str:
        """Return the name of a session of ``node``, or of this node, among those of all nodes."""
        return f"{self._node if node is None else node}/{sid}"

    async def register(self, channel: str) -> None:
        """Note that this node writes on ``channel``, so that its members there are found if it dies.

        It must be done before the node's first change there.

        Raises:
            RedisUnavailable: it is not known whether it is done.
        """
        await call(self._client.sadd, node_presence_key(self._node), channel)

    async def unregister(self, channel: str) -> None:
        """Forget ``channel``, once no session of this node is present there; raises as :meth:`register`."""
        await call(self._client.srem, node_presence_key(self._node), channel)

    async def change(
        self, channel: str, put: Mapping[str, Member], gone: Collection[str]
    ) -> PresenceNotice | None:
        """Make sessions present and others absent, and tell all nodes; None when nothing had to change.

        Together they may be ``SESSIONS_PER_SCRIPT`` at most.

        Raises:
            RedisUnavailable: it is not known whether it is done; repeating it is harmless.
        """
        members = [text for key, member in put.items() for text in (key, dump_json(member.as_json()))]
        epoch = secrets.token_hex(4)
        answer = await call(
            self._client.eval, _CHANGE, 1, presence_key(channel), epoch, len(put), *members, *gone
        )
        return None if answer is None else parse_notice(answer)

    async def read(self, channel: str) -> PresenceSnapshot:
        """Return all sessions that are present on ``channel``, on any node.

        Raises:
            RedisUnavailable: Redis can't be asked.
        """
        fields = await call(self._client.hgetall, presence_key(channel))
        epoch, _, version = fields.pop(b"", b":0").decode().rpartition(":")
        sessions = {key.decode(): load_member(text) for key, text in fields.items()}
        return PresenceSnapshot(epoch, int(version), sessions)

    async def members_of(self, session: str, channels: Sequence[str]) -> dict[str, Member]:
        """Return the members that a session of any node is, by the channel.

        Raises:
            RedisUnavailable: Redis can't be asked.
        """
        texts = await asyncio.gather(
            *(call(self._client.hget, presence_key(channel), session) for channel in channels)
        )
        members = zip(channels, texts, strict=True)
        return {channel: load_member(text) for channel, text in members if text is not None}

    async def remove_dead_node(self, node: str) -> None:
        """Remove all sessions that a node made present. Repeating it is harmless.

        Raises:
            RedisUnavailable: not everything is done; it is to be done again.
        """
        key = node_presence_key(node)
        for channel in await call(self._client.smembers, key):
            await call(
                self._client.eval, _SWEEP, 1, presence_key(channel.decode()), secrets.token_hex(4), f"{node}/"
            )
            await call(self._client.srem, key, channel)


def parse_notice(payload: bytes) -> PresenceNotice:
    """Parse the message of a script: ``[epoch, version, [session, member, ...], [session, ...]]``.

    Raises:
        ValueError: the payload does not have this form.
    """
    body = parse_json(payload)
    if not isinstance(body, list) or len(body) != 4:
        raise ValueError("no list of four")
    epoch, version, put, gone = body
    if not isinstance(epoch, str) or not isinstance(version, str) or not version.isdecimal():
        raise ValueError("no epoch and version")
    texts = _texts(put)
    pairs = zip(texts[::2], texts[1::2], strict=True)
    sessions = {key: load_member(text) for key, text in pairs}
    return PresenceNotice(epoch, int(version), sessions, tuple(_texts(gone)))


def _texts(value: object) -> list[str]:
    """Return a list as Lua writes it: a list without entries comes as an empty object."""
    if value == {}:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("no list of texts")
    return value
