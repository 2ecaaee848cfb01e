"""The records of sessions in Redis, by which a client comes back as the same session, on any node.

``{hornet:sessions}:<digest of the pid>`` is a HASH: ``node``, which has the session or had it last; ``sid``,
``user``, ``tokens`` (a JSON list), ``record`` (see :mod:`hornet.core.session_records`), and ``away`` when its
connection is lost. It expires unless its node refreshes it, so that of a killed node each record stays for
the recovery window.

``{hornet:sessions}:user:<user>`` is a ZSET of the digests of one user. ``{hornet:sessions}:revoked:<token>``
is a mark that lives as long as a record can: nobody comes back who got in by that token. One hash tag keeps
all of them in one slot of a Cluster, so that one script can use several.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from enum import Enum
from typing import NamedTuple

from hornet.broker.batching import ScriptBatcher
from hornet.broker.client import Client, call
from hornet.broker.keys import NODE_PREFIX, SESSION_RECORDS, revoked_key, session_record_key, user_records_key
from hornet.core.jsontext import dump_json
from hornet.core.session_records import SessionRecord, dump_record, parse_record

log = logging.getLogger(__name__)

REFRESHES_PER_WINDOW = 4
"""How often a living node refreshes its records in one recovery window."""

SLACK_S = 5.0
"""By how much a record outlives the window and one refresh: a refresh may be late."""

PER_SCRIPT = 250
"""Records in one script: Redis serves no other client meanwhile."""

MAX_RECORD_BYTES = 262_144
"""Far more than any session needs; Redis keeps this much for each."""

# KEYS: the record, the records of its user. ARGV: node, whether it is a new record, ms to live, the most
# records of a user, digest, then sid, user, tokens and record.
_WRITE = f"""
local node, is_new, ttl, most, digest = unpack(ARGV, 1, 5)
local owner = redis.call('HGET', KEYS[1], 'node')
if owner and owner ~= node then return 'TAKEN' end
if not owner and is_new == '' then return 'MISSING' end
local sid, user, tokens, record = unpack(ARGV, 6)
redis.call('HSET', KEYS[1], 'node', node, 'sid', sid, 'user', user, 'tokens', tokens, 'record', record)
redis.call('PEXPIRE', KEYS[1], ttl)
if user == '' then return 'WRITTEN' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], 'NX', now, digest)
redis.call('PEXPIRE', KEYS[2], ttl)
local others = redis.call('ZCARD', KEYS[2]) - most
if others > 0 then
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if redis.call('EXISTS', '{SESSION_RECORDS}:' .. other) == 0 then
      redis.call('ZREM', KEYS[2], other)
      others = others - 1
    end
  end
  for i = 1, others do
    local oldest = redis.call('ZPOPMIN', KEYS[2])[1]
    redis.call('DEL', '{SESSION_RECORDS}:' .. oldest)
  end
end
return 'WRITTEN'
"""

# KEYS: the record, the records of its user. ARGV: digest.
_DELETE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
"""

# The former owner is told in the same step: what it does after that, no client gets.
_CLAIM = f"""
local node, ttl = ARGV[1], ARGV[2]
local owner, sid, tokens, record, is_away =
  unpack(redis.call('HMGET', KEYS[1], 'node', 'sid', 'tokens', 'record', 'away'))
if not record then return {{'UNKNOWN'}} end
for _, token in ipairs(cjson.decode(tokens)) do
  if redis.call('EXISTS', '{SESSION_RECORDS}:revoked:' .. token) == 1 then
    redis.call('DEL', KEYS[1])
    return {{'REVOKED'}}
  end
end
redis.call('HSET', KEYS[1], 'node', node)
redis.call('HDEL', KEYS[1], 'away')
redis.call('PEXPIRE', KEYS[1], ttl)
if owner ~= node and not is_away then
  local notice = cjson.encode({{type = 'take', sid = sid, record = ARGV[3]}})
  redis.call('PUBLISH', '{NODE_PREFIX}' .. owner, notice)
end
return {{'CLAIMED', owner, record, is_away and 1 or 0}}
"""

# ARGV: node, ms to live.
_LEAVE = """
if redis.call('HGET', KEYS[1], 'node') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'away', '1')
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# ARGV: node, ms to live, the digests.
_REFRESH = f"""
local missing = {{}}
for i = 3, #ARGV do
  local key = '{SESSION_RECORDS}:' .. ARGV[i]
  local owner, user = unpack(redis.call('HMGET', key, 'node', 'user'))
  if owner == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
    if user and user ~= '' then redis.call('PEXPIRE', '{SESSION_RECORDS}:user:' .. user, ARGV[2]) end
  elseif not owner then
    missing[#missing + 1] = ARGV[i]
  end
end
return missing
"""

# KEYS: the records of a user.
_FORGET_USER = f"""
local digests = redis.call('ZRANGE', KEYS[1], 0, -1)
for _, digest in ipairs(digests) do redis.call('DEL', '{SESSION_RECORDS}:' .. digest) end
redis.call('DEL', KEYS[1])
return #digests
"""


class Written(Enum):
    """What came of writing a record."""

    WRITTEN = b"WRITTEN"
    TAKEN = b"TAKEN"
    """Another node has the session by now, and the record is that node's."""
    MISSING = b"MISSING"
    """There was no record to change: it was deleted, or Redis lost it. None was written."""


class Claimed(NamedTuple):
    """A session that is this node's now. ``was_away`` says that its former node knew that it was gone."""

    record: SessionRecord
    owner: str
    """The node that had it, or had it last."""
    was_away: bool


class SessionRecordStore:
    """Keeps the records of this node's sessions, and takes over those of others.

    Every call may raise ``RedisUnavailable``; it is then not known whether it was carried out.
    """

    def __init__(self, client: Client, node: str, *, window_s: float, max_of_user: int) -> None:
        self._client = client
        self._node = node
        self._window_s = window_s
        self._max_of_user = max_of_user
        self._writes = ScriptBatcher(client, _WRITE)
        self._claims = ScriptBatcher(client, _CLAIM)
        self._leaves = ScriptBatcher(client, _LEAVE)
        self._deletes = ScriptBatcher(client, _DELETE)

    def configure(self, *, max_of_user: int) -> None:
        """Change how many records a user may have, for records that are written from now on."""
        self._max_of_user = max_of_user

    @property
    def keeps(self) -> bool:
        """Whether sessions may come back at all."""
        return self._window_s > 0

    @property
    def refresh_s(self) -> float:
        """How often the records of living sessions must be refreshed."""
        return self._window_s / REFRESHES_PER_WINDOW

    @property
    def lifetime_ms(self) -> int:
        """How long a record lives after it was written or refreshed: at least the recovery window."""
        return int((self._window_s + self.refresh_s + SLACK_S) * 1000)

    async def write(self, digest: str, record: SessionRecord, *, is_new: bool) -> Written:
        """Write a record, which counts as refreshed. Only where ``is_new`` may there have been none before.

        Raises:
            ValueError: it is too long, or JSON can't carry its info.
        """
        text = dump_record(record)
        if len(text) > MAX_RECORD_BYTES:
            raise ValueError(f"the record has {len(text)} bytes, and may have {MAX_RECORD_BYTES}")
        user = record.user or ""
        answer = await self._writes.execute(
            (session_record_key(digest), user_records_key(user)),
            (
                self._node,
                "1" if is_new else "",
                str(self.lifetime_ms),
                str(self._max_of_user),
                digest,
                record.sid,
                user,
                dump_json(list(record.tokens)),
                text,
            ),
        )
        return Written(answer)

    async def claim(self, digest: str) -> Claimed | None:
        """Make the session this node's; return None where there is none that may come back.

        A former owner that still lives is told to end the session silently, before this returns.
        """
        answer, *values = await self._claims.execute(
            (session_record_key(digest),), (self._node, str(self.lifetime_ms), digest)
        )
        if answer != b"CLAIMED":
            return None
        try:
            return Claimed(parse_record(values[1]), values[0].decode(), bool(values[2]))
        except ValueError as error:
            log.error("A session can't come back: its record is malformed: %s", error)
            return None

    async def leave(self, digest: str) -> None:
        """Note that the session's connection is lost; its client may come back for the recovery window."""
        await self._leaves.execute((session_record_key(digest),), (self._node, str(self.lifetime_ms)))

    async def refresh(self, digests: Sequence[str]) -> list[str]:
        """Keep the records of living sessions; return those of which Redis has no record."""
        missing: list[str] = []
        for at in range(0, len(digests), PER_SCRIPT):
            part = digests[at : at + PER_SCRIPT]
            arguments = (SESSION_RECORDS, self._node, self.lifetime_ms, *part)  # the key names the slot
            missing += [digest.decode() for digest in await call(self._client.eval, _REFRESH, 1, *arguments)]
        return missing

    async def delete(self, digest: str, user: str | None) -> None:
        """Delete a record: its client can't come back."""
        await self._deletes.execute((session_record_key(digest), user_records_key(user or "")), (digest,))

    async def revoke(self, tokens: Collection[str]) -> None:
        """Let nobody come back who got in by one of ``tokens``, on no node."""
        ttl_ms = self.lifetime_ms
        await asyncio.gather(
            *(call(self._client.set, revoked_key(token), b"", px=ttl_ms) for token in tokens)
        )

    async def forget_user(self, user: str) -> None:
        """Delete all records of a user: none of the user's sessions comes back."""
        await call(self._client.eval, _FORGET_USER, 1, user_records_key(user))
