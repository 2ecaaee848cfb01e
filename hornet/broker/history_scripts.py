"""The scripts in Lua that record what is published and read it again: one text for Functions and for EVAL.

A Function is cheaper for Redis, and backends in every language can call it. Where Redis has no Functions, or
an ACL refuses them, the same text runs as a script.

The hash ``KEYS[1]`` holds ``epoch``, ``last`` (the last id), ``floor`` (a topic without a ``c:`` field has
nothing above it), ``replid`` (the history of replication to which the ids belong), ``depths`` (see
:func:`depths_text`), ``c:<topic>`` (the last id on the topic) and ``p:<topic>`` (when a node last heard a
plain publish there). The stream of a topic counts only while its ``c:`` field exists, so a stream that
outlived its hash is never read.

Numbers stay texts where they can: Lua writes ids in its short form, and would lose their last digits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from hornet.core.history_depths import DepthRule

LIBRARY = "hornet"

_LUA_MAGIC = re.compile(r"[^\w\s]", re.ASCII)

VERSION = 1
"""Rises with each change that a backend or a node of another version would notice."""

# Functions keep these tables from one call to the next; a script makes them anew in each.
_DEPTH = """
local rules_text, rules, depths, depth_count = nil, {}, {}, 0
local function find_depth(topic)
  local is_own = string.sub(topic, 1, 7) == 'hornet:'
  local is_channel = string.sub(topic, 1, 15) == 'hornet:channel:'
  if topic == 'hornet:channel:hornet' then return {0, 0, 0} end
  if is_own and not is_channel and string.sub(topic, 1, 12) ~= 'hornet:user:' then return {0, 0, 0} end
  local name = is_channel and string.sub(topic, 16) or topic
  for _, rule in ipairs(rules) do
    if string.find(name, rule[4]) then return rule end
  end
  return {100, 120000000, 1048576}
end
local function depth_of(topic, text)
  if text ~= rules_text then
    rules_text, rules, depths, depth_count = text, {}, {}, 0
    for count, age_us, bytes, pattern in string.gmatch(text or '', '(%d+) (%d+) (%d+) ([^\\n]*)') do
      rules[#rules + 1] = {tonumber(count), tonumber(age_us), tonumber(bytes), pattern}
    end
  end
  local depth = depths[topic]
  if not depth then
    if depth_count >= 10000 then depths, depth_count = {}, 0 end
    depth = find_depth(topic)
    depths[topic], depth_count = depth, depth_count + 1
  end
  return depth
end
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function digits(id) return string.format('%.0f', id) end
"""

# A new epoch starts with nothing: neither fields nor streams of the one before are read.
_BEGIN = """
local function begin(key, replid)
  local known = redis.call('HMGET', key, 'last', 'depths')
  local now = now_us()
  local epoch = string.sub(redis.sha1hex(digits(now) .. tostring({}) .. (known[1] or '')), 1, 10)
  local floor = digits(math.max(now, tonumber(known[1] or 0)))
  local fields = {'epoch', epoch, 'last', floor, 'floor', floor}
  if replid then fields[#fields + 1] = 'replid' fields[#fields + 1] = replid end
  if known[2] then fields[#fields + 1] = 'depths' fields[#fields + 1] = known[2] end
  redis.call('HSET', key, 'last', floor)
  redis.call('UNLINK', key, key .. ':patterns')
  redis.call('HSET', key, unpack(fields))
  return epoch, floor
end
"""

# A full Redis refuses the first write, so nothing was done when a call fails. A publish that the ACL refuses
# is taken back, or nodes would read it from the stream.
_RECORD = """
local function stamp(json, position)
  local first = string.byte(json)
  if first ~= 123 and string.find(json, '^%s*{') then
    json, first = string.match(json, '^%s*(.*)$'), 123
  end
  if first ~= 123 then return '{"hornet:position":"' .. position .. '","hornet:payload":' .. json .. '}' end
  if string.find(json, '^{%s*}%s*$') then return '{"hornet:position":"' .. position .. '"}' end
  return '{"hornet:position":"' .. position .. '",' .. string.sub(json, 2)
end
local function unstamped(json)
  if string.sub(json, 1, 20) == '{"hornet:position":"' then return '{ ' .. string.sub(json, 2) end
  return json
end
local function record(key, topic, json)
  local field = 'c:' .. topic
  local state = redis.call('HMGET', key, 'epoch', 'last', 'floor', 'depths', field)
  local epoch, last, floor, previous = state[1], state[2], state[3], state[5]
  local depth = depth_of(topic, state[4])
  local count, age_us, bytes = depth[1], depth[2], depth[3]
  if count == 0 then return false, redis.call('PUBLISH', topic, unstamped(json)) end
  if not (epoch and last and floor) then
    epoch, floor = begin(key)
    last, previous = floor, false
  end
  local id = digits(math.max(now_us(), last + 1))
  local stream = key .. ':s:' .. topic
  local is_new = not previous
  if is_new then
    previous = floor
    redis.call('UNLINK', stream)
  end
  if #json * count > bytes then
    local fits = math.floor(bytes / #json)
    redis.call('XADD', stream, 'MAXLEN', fits, id .. '-0', 'd', json, 'p', previous)
  else
    redis.call('XADD', stream, 'MAXLEN', '~', count, id .. '-0', 'd', json, 'p', previous)
  end
  redis.call('HSET', key, 'last', id, field, id)
  local quarter = age_us / 4
  if is_new or math.floor(id / quarter) ~= math.floor(previous / quarter) then
    redis.call('PEXPIRE', stream, math.ceil((age_us + quarter) / 1000))
  end
  if string.sub(topic, 1, 7) ~= 'hornet:' then redis.call('ZADD', key .. ':patterns', id, topic) end
  local position = epoch .. '-' .. id
  local nodes = redis.pcall('PUBLISH', topic, stamp(json, position .. '-' .. previous))
  if type(nodes) == 'table' then
    redis.call('XDEL', stream, id .. '-0')
    if is_new then redis.call('HDEL', key, field) else redis.call('HSET', key, field, previous) end
    return nodes
  end
  return position, nodes
end
"""

# A message that can't be recorded goes out all the same, and a third word of the answer says why.
_PUBLISH = """
local function publish(key, topic, json)
  local ok, position, nodes = pcall(record, key, topic, json)
  if ok and nodes then return {position, nodes} end
  local reason = type(position) == 'table' and position.err or tostring(position)
  return {false, redis.call('PUBLISH', topic, unstamped(json)), reason}
end
"""

_PUBLISHING = {
    "hornet_publish": """
local function hornet_publish(keys, args)
  return publish(keys[1], 'hornet:channel:' .. args[1], args[2])[1]
end
""",
    "hornet_publish_topic": """
local function hornet_publish_topic(keys, args)
  return publish(keys[1], args[1], args[2])
end
""",
    "hornet_publish_all": """
local function hornet_publish_all(keys, args)
  local answers = {}
  for i = 1, #args, 2 do answers[#answers + 1] = publish(keys[1], args[i], args[i + 1]) end
  return answers
end
""",
}

# Answers {epoch, last}. ARGV: the depths; "1" where the ACL lets the caller ask for the replication id.
_OPEN = {
    "hornet_open": """
local function hornet_open(keys, args)
  local key = keys[1]
  local replid = args[2] == '1' and string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  local state = redis.call('HMGET', key, 'epoch', 'last', 'replid', 'depths', 'floor')
  local epoch, last = state[1], state[2]
  if not (epoch and last and state[5]) or replid and state[3] and state[3] ~= replid then
    epoch, last = begin(key, replid)
  elseif replid and not state[3] then
    redis.call('HSET', key, 'replid', replid)
  end
  if state[4] ~= args[1] then redis.call('HSET', key, 'depths', args[1]) end
  return {epoch, last}
end
""",
}

# Answers {epoch, last, floor, is_other_replid, topics}; a topic is {last, plain, entries}, an entry
# {id, previous, json}. It reads the newest entries until a topic has all, or more than its bytes.
# ARGV: "1" as above, how many bytes all topics may have before the rest of them is left to another call, then
# topic, since, bytes of each.
_READ = {
    "hornet_read": """
local function entries_after(stream, since, oldest, max_bytes)
  local from, till, bytes, found = digits(math.max(since, oldest)) .. '-1', '+', 0, {}
  repeat
    local part = redis.call('XREVRANGE', stream, till, from, 'COUNT', 100)
    for _, entry in ipairs(part) do
      bytes = bytes + #entry[2][2]
      if bytes > max_bytes then return found, bytes end
      found[#found + 1] = {string.sub(entry[1], 1, -3), entry[2][4], entry[2][2]}
    end
    if #part > 0 then till = digits(found[#found][1] - 1) end
  until #part < 100
  return found, bytes
end
local function hornet_read(keys, args)
  local key = keys[1]
  local state = redis.call('HMGET', key, 'epoch', 'last', 'floor', 'depths', 'replid')
  local is_other = 0
  if args[1] == '1' and state[5] then
    local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    if replid ~= state[5] then is_other = 1 end
  end
  local now, bytes, topics = now_us(), 0, {}
  for i = 3, #args, 3 do
    local topic, since = args[i], tonumber(args[i + 1])
    local fields = redis.call('HMGET', key, 'c:' .. topic, 'p:' .. topic)
    local entries, size = {}, 0
    if fields[1] and tonumber(fields[1]) > since then
      local oldest = now - depth_of(topic, state[4])[2]
      entries, size = entries_after(key .. ':s:' .. topic, since, oldest, tonumber(args[i + 2]))
    end
    topics[#topics + 1] = {fields[1], fields[2], entries}
    bytes = bytes + size
    if bytes > tonumber(args[2]) then break end
  end
  return {state[1], state[2], state[3], is_other, topics}
end
""",
}

# Answers {epoch, last, floor, the topic's last id, the id before the first message after since, entries}.
# ARGV: topic, since, before or "", how many, "1" for the newest first.
_PAGE = {
    "hornet_page": """
local function hornet_page(keys, args)
  local key, topic = keys[1], args[1]
  local state = redis.call('HMGET', key, 'epoch', 'last', 'floor', 'depths', 'c:' .. topic)
  local entries, previous = {}, false
  if state[5] then
    local oldest = now_us() - depth_of(topic, state[4])[2]
    local from, till = digits(math.max(tonumber(args[2]), oldest)) .. '-1', '+'
    if args[3] ~= '' then till = digits(math.max(args[3] - 1, 0)) end
    local stream = key .. ':s:' .. topic
    local first = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
    if first then previous = first[2][4] end
    local found
    if args[5] == '1' then
      found = redis.call('XREVRANGE', stream, till, from, 'COUNT', args[4])
    else
      found = redis.call('XRANGE', stream, from, till, 'COUNT', args[4])
    end
    for i, entry in ipairs(found) do entries[i] = {string.sub(entry[1], 1, -3), entry[2][4], entry[2][2]} end
  end
  return {state[1], state[2], state[3], state[5], previous, entries}
end
""",
}

# ARGV: the topics on which a plain publish was heard.
_NOTE = {
    "hornet_note_plain": """
local function hornet_note_plain(keys, args)
  local fields, now = {}, digits(now_us())
  for i, topic in ipairs(args) do fields[2 * i - 1], fields[2 * i] = 'p:' .. topic, now end
  return redis.call('HSET', keys[1], unpack(fields))
end
""",
}

# The floor rises first, so a topic that is forgotten never looks as if nothing had been published there.
# ARGV: up to which id topics are forgotten, then fields.
_SWEEP = {
    "hornet_forget": """
local function hornet_forget(keys, args)
  local key, until_id, floor, gone = keys[1], tonumber(args[1]), 0, {}
  local state = redis.call('HMGET', key, 'floor', unpack(args, 2))
  if not state[1] then return 0 end
  for i = 2, #args do
    local id = state[i] and tonumber(state[i])
    if id and id <= until_id then
      gone[#gone + 1] = args[i]
      if string.sub(args[i], 1, 2) == 'c:' then floor = math.max(floor, id) end
    end
  end
  if #gone == 0 then return 0 end
  if floor > tonumber(state[1]) then redis.call('HSET', key, 'floor', digits(floor)) end
  for _, field in ipairs(gone) do
    if string.sub(field, 1, 2) == 'c:' then redis.call('UNLINK', key .. ':s:' .. string.sub(field, 3)) end
  end
  redis.call('HDEL', key, unpack(gone))
  redis.call('ZREMRANGEBYSCORE', key .. ':patterns', '-inf', args[1])
  return #gone
end
""",
}

_COMMON = _DEPTH + _BEGIN + _RECORD + _PUBLISH

RECORD = _DEPTH + _BEGIN + _RECORD
"""Lets a script call ``record(key, topic, json)``, which returns the position and how many nodes heard it; an
error and nil where the ACL refuses the publish."""

_FUNCTIONS = _PUBLISHING | _OPEN | _READ | _PAGE | _NOTE | _SWEEP

_READS = frozenset(_READ | _PAGE)
"""What runs on a full Redis, and on a replica."""


def depths_text(rules: Iterable[DepthRule]) -> str:
    """Return rules as the scripts read them, one a line: ``<count> <age in µs> <bytes> <Lua pattern>``."""
    lines = []
    for rule in rules:
        depth = rule.depth
        age_us = round(depth.age_s * 1_000_000)
        lines.append(f"{depth.count} {age_us} {depth.max_bytes} {_lua_pattern(rule.glob)}\n")
    return "".join(lines)


def _lua_pattern(glob: str) -> str:
    wildcards = {"*": ".*", "?": "."}
    return "^" + "".join(wildcards.get(char) or _LUA_MAGIC.sub(r"%\g<0>", char) for char in glob) + "$"


def script(name: str) -> str:
    """Return the text that does for EVAL what the Function of that name does."""
    return f"{_COMMON}{_FUNCTIONS[name]}return {name}(KEYS, ARGV)"


def _register(name: str) -> str:
    flags = "'no-writes'" if name in _READS else ""
    return f"redis.register_function{{function_name = '{name}', callback = {name}, flags = {{{flags}}}}}\n"


_BODY = _COMMON + "".join(text + _register(name) for name, text in _FUNCTIONS.items())

DIGEST = hashlib.sha256(_BODY.encode()).hexdigest()[:16]

_VERSION_FUNCTION = f"""
local function hornet_version() return '{VERSION} {DIGEST}' end
redis.register_function{{
  function_name = 'hornet_version', callback = hornet_version, flags = {{'no-writes'}}
}}
"""

LIBRARY_TEXT = f"#!lua name={LIBRARY}\n{_BODY}{_VERSION_FUNCTION}"
"""What FUNCTION LOAD takes. ``FCALL hornet_version 0`` answers the version and a digest of the text."""
