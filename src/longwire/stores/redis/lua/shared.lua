-- What every script begins with: the state of one stream, and how its log is kept.
--
-- KEYS (all of one stream, so of one slot; see keys.py):
--   1 meta (hash)       2 log (stream)       3 latest (hash: key -> entry)
--   4 order (zset: key -> offset)            5 links (list: the newest links)
--   6 heads (hash: producer -> "epoch next used")
--   7 used (zset: producer -> time)          8 forgotten (zset: producer -> time)
--   9 erased (hash: offset -> entry)        10 forks (hash: name -> time), with the place of `log`
--                                              taken by `erased` where a payload is gone
--
-- A stream either keeps everything from its floor on, in `log`, or the latest entry of each key, in
-- `latest` and `order`; `links` then are those of the newest offsets, superseded or not.
-- An entry is one string: layout.py has its fields. Nothing is written before all checks of the
-- first append have passed, so a script that fails has changed nothing.

local META, LOG, LATEST, ORDER, LINKS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local HEADS, USED, FORGOTTEN = KEYS[6], KEYS[7], KEYS[8]
local ERASED, FORKS = KEYS[9], KEYS[10]
local call = redis.call

local HEADER = '>I8I8c8c8I4' -- offset, time, previous link, link, length of the key
local HEADER_BYTES = 36
local ERASED_BIT = 2147483648 -- in the length of the key: the payload was erased
local NOBODY = string.rep('\0', 8)
local FIRST_LINK = string.rep('\0', 8)
local LINKS_KEPT = 4096
local CHUNK = 64

local function whole(number)
  return string.format('%.0f', number)
end

-- The meta says where a log ends. What lies behind that came back from an append-only file that a
-- crash had cut (append_only_file.py): it was never acknowledged, or is told as lost already. A
-- Redis stream does not take an ID twice, so the log is laid out again without it.
local function add_to_log(offset, entry)
  local id = whole(offset) .. '-0'
  local reply = redis.pcall('XADD', LOG, id, 'e', entry)
  if type(reply) ~= 'table' or not reply.err then
    return
  end
  if string.find(reply.err, 'equal or smaller', 1, true) then
    local kept = call('XRANGE', LOG, '-', '(' .. id)
    call('DEL', LOG)
    for _, item in ipairs(kept) do
      call('XADD', LOG, item[1], item[2][1], item[2][2])
    end
  end
  call('XADD', LOG, id, 'e', entry)
end

-- Time is an argument where the caller has a clock of its own (tests); else it is Redis's, so that
-- all servers share one.
local function read_clock(text)
  if text ~= '' then
    return tonumber(text)
  end
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local FIELDS = {
  'epoch', 'type', 'json', 'latest', 'entries_max', 'bytes_max', 'age_max_ms',
  'floor', 'floor_link', 'tail', 'tail_link', 'closed', 'newest_ms', 'oldest_ms',
  'count', 'bytes', 'ttl_ms', 'expires_ms', 'used_ms', 'erased', 'deleted', 'forming', 'inherited',
}
local TEXTS = { epoch = true, type = true, floor_link = true, tail_link = true, inherited = true }
local CHANGING = {
  'floor', 'floor_link', 'tail', 'tail_link', 'closed', 'newest_ms', 'oldest_ms', 'count', 'bytes',
  'used_ms', 'erased', 'deleted', 'forming',
}

-- What is written of the stream, whatever its condition; nil when there is nothing.
local function load_any()
  local values = call('HMGET', META, unpack(FIELDS))
  if not values[1] then
    return nil
  end
  local state = {}
  for i, name in ipairs(FIELDS) do
    state[name] = TEXTS[name] and (values[i] or '') or tonumber(values[i]) or 0
  end
  return state
end

-- The epoch of the position with this offset: a fork has those of its ancestors in what it
-- inherited. `inherited` is, for each of them, the last offset (8 bytes) and the epoch (8).
local function epoch_at(state, offset)
  for at = 1, #state.inherited, 16 do
    local upto, epoch = struct.unpack('>I8c8', state.inherited, at)
    if offset <= upto then
      return epoch
    end
  end
  return state.epoch
end

local function inherited_upto(state)
  return #state.inherited > 0 and struct.unpack('>I8', state.inherited, #state.inherited - 15) or 0
end

local function save_state(state)
  local values = {}
  for _, name in ipairs(CHANGING) do
    values[#values + 1] = name
    values[#values + 1] = TEXTS[name] and state[name] or whole(state[name])
  end
  call('HSET', META, unpack(values))
  state.is_changed = false
end

local function key_bytes_of(entry)
  local _, _, _, _, key_bytes = struct.unpack(HEADER, entry)
  return key_bytes % ERASED_BIT
end

local function payload_bytes(entry)
  return #entry - HEADER_BYTES - key_bytes_of(entry)
end

-- Entries with the offsets from `from` to `to` of a log that keeps everything.
local function log_entries(state, from, to)
  from, to = math.max(from, state.floor + 1), math.min(to, state.tail)
  local entries = {}
  if from > to then
    return entries
  end
  local items = call('XRANGE', LOG, whole(from), whole(to))
  if state.erased == 0 then
    for i, item in ipairs(items) do
      entries[i] = item[2][2]
    end
    return entries
  end
  local next_item = 1
  for offset = from, to do
    local item = items[next_item]
    if item and struct.unpack('>I8', item[2][2]) == offset then
      entries[#entries + 1] = item[2][2]
      next_item = next_item + 1
    else
      entries[#entries + 1] = call('HGET', ERASED, whole(offset)) or nil
    end
  end
  return entries
end

-- The oldest `count` entries that are kept, in order.
local function oldest_entries(state, count)
  local entries = {}
  if state.latest == 1 then
    local keys = call('ZRANGE', ORDER, 0, count - 1)
    if #keys > 0 then
      entries = call('HMGET', LATEST, unpack(keys))
    end
  else
    entries = log_entries(state, state.floor + 1, state.floor + count)
  end
  return entries
end

local function drop(state, entry)
  local offset, _, _, link = struct.unpack(HEADER, entry)
  local key_bytes = key_bytes_of(entry)
  state.floor, state.floor_link = offset, link
  state.count = state.count - 1
  state.bytes = state.bytes - (#entry - HEADER_BYTES - key_bytes)
  if state.erased > 0 then
    state.erased = state.erased - call('HDEL', ERASED, whole(offset))
  end
  state.is_changed = true
  if state.latest == 1 then
    local key = string.sub(entry, HEADER_BYTES + 1, HEADER_BYTES + key_bytes)
    call('ZREM', ORDER, key)
    call('HDEL', LATEST, key)
  end
end

-- Entries are missing that should be there (Redis evicted the log, or somebody removed it): what
-- is left counts, and the floor says from where on.
local function mend(state)
  local first, count
  if state.latest == 1 then
    first, count = oldest_entries(state, 1)[1], call('ZCARD', ORDER)
  else
    local item = call('XRANGE', LOG, '-', '+', 'COUNT', 1)[1]
    first, count = item and item[2][2], call('XLEN', LOG)
    call('UNLINK', ERASED)
    state.erased = 0
  end
  if not first then
    state.floor, state.floor_link = state.tail, state.tail_link
    state.count, state.bytes = 0, 0
  else
    local offset, time, previous = struct.unpack(HEADER, first)
    state.floor, state.floor_link, state.oldest_ms = offset - 1, previous, time
    state.count = count
  end
  state.is_changed = true
end

-- Apply retention: the oldest entries go.
local function trim(state, now_ms)
  local too_old = state.age_max_ms >= 0 and now_ms - state.age_max_ms or -1
  local function is_over()
    return state.count > 0 and (
      (state.entries_max >= 0 and state.count > state.entries_max)
      or (state.bytes_max >= 0 and state.bytes > state.bytes_max and state.count > 1)
      or state.oldest_ms < too_old
    )
  end
  while is_over() do
    local excess = state.entries_max >= 0 and state.count - state.entries_max or 1
    local chunk = oldest_entries(state, math.min(math.max(excess, 1), CHUNK) + 1)
    if #chunk == 0 then
      mend(state)
    end
    for _, entry in ipairs(chunk) do
      local _, time = struct.unpack(HEADER, entry)
      state.oldest_ms = time
      if not is_over() then
        break
      end
      drop(state, entry)
    end
    if state.latest == 0 then
      call('XTRIM', LOG, 'MINID', whole(state.floor + 1))
    end
  end
end

-- The link after the entry of this offset, or nil when it is not known.
local function link_at(state, offset)
  if offset == state.floor then
    return state.floor_link
  end
  if offset < state.floor or offset > state.tail then
    return nil
  end
  if state.latest == 0 then
    local found = log_entries(state, offset, offset)[1]
    return found and string.sub(found, 25, 32) or nil
  end
  local link = call('LINDEX', LINKS, -1 - (state.tail - offset))
  if link then
    return link
  end
  local key = call('ZRANGE', ORDER, offset, offset, 'BYSCORE')[1]
  return key and string.sub(call('HGET', LATEST, key), 25, 32) or nil
end

-- Tell those who watch the stream. Flags: 1 closed, 2 entries left out, 4 deleted (layout.py).
local function publish(state, origin, flags, entries)
  call('SPUBLISH', META, struct.pack('>c8I1c8I8c8I2', origin, flags, epoch_at(state, state.tail),
    state.tail, state.tail_link, #state.type) .. state.type .. entries)
end

-- Remove the stream, or what it holds if there are forks of it, and tell its readers.
local function remove_stream(state, origin)
  local prefix = string.sub(META, 1, -2) .. 'r:'
  for _, producer in ipairs(call('ZRANGE', USED, 0, -1)) do
    call('UNLINK', prefix .. producer)
  end
  call('UNLINK', LOG, LATEST, ORDER, LINKS, HEADS, USED, FORGOTTEN, ERASED)
  publish(state, origin, 4, '')
  if call('HLEN', FORKS) == 0 then
    call('UNLINK', META)
    return nil
  end
  state.deleted = 1
  state.floor, state.floor_link, state.count, state.bytes = state.tail, state.tail_link, 0, 0
  state.erased = 0
  save_state(state)
  return state
end

-- The state of the stream, or nil when there is none: it may have expired by now, or be still in
-- the making. `deleted` is 1 when it is only there because of its forks.
local function load_state(now_ms)
  local state = load_any()
  if not state or state.forming == 1 then
    return nil
  end
  if state.deleted == 0 then
    local is_over = state.expires_ms >= 0 and now_ms >= state.expires_ms
    if is_over or (state.ttl_ms >= 0 and now_ms >= state.used_ms + state.ttl_ms) then
      return remove_stream(state, NOBODY)
    end
  end
  return state
end

-- The stream is used: its idle time begins anew. Not every read is worth a write.
local function touch(state, now_ms, least_ms)
  if state.ttl_ms >= 0 and now_ms - state.used_ms > least_ms then
    state.used_ms = now_ms
    state.is_changed = true
  end
end
