-- What every script begins with: the state of one stream, and how its log is kept.
--
-- KEYS (all of one stream, so of one slot; see keys.py):
--   1 meta (hash)       2 log (stream)       3 latest (hash: key -> entry)
--   4 order (zset: key -> offset)            5 links (list: the newest links)
--   6 heads (hash: producer -> "epoch next used")
--   7 used (zset: producer -> time)          8 forgotten (zset: producer -> time)
--
-- A stream either keeps everything from its floor on, in `log`, or the latest entry of each key, in
-- `latest` and `order`; `links` then are those of the newest offsets, superseded or not.
-- An entry is one string: layout.py has its fields. Nothing is written before all checks of the
-- first append have passed, so a script that fails has changed nothing.

local META, LOG, LATEST, ORDER, LINKS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local HEADS, USED, FORGOTTEN = KEYS[6], KEYS[7], KEYS[8]
local call = redis.call

local HEADER = '>I8I8c8c8I4' -- offset, time, previous link, link, length of the key
local HEADER_BYTES = 36
local FIRST_LINK = string.rep('\0', 8)
local LINKS_KEPT = 4096
local CHUNK = 64

local function whole(number)
  return string.format('%.0f', number)
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
  'count', 'bytes',
}
local TEXTS = { epoch = true, type = true, floor_link = true, tail_link = true }
local CHANGING = {
  'floor', 'floor_link', 'tail', 'tail_link', 'closed', 'newest_ms', 'oldest_ms', 'count', 'bytes',
}

-- The state of the stream, or nil when there is none.
local function load_state()
  local values = call('HMGET', META, unpack(FIELDS))
  if not values[1] then
    return nil
  end
  local state = {}
  for i, name in ipairs(FIELDS) do
    state[name] = TEXTS[name] and values[i] or tonumber(values[i])
  end
  return state
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

local function payload_bytes(entry)
  local _, _, _, _, key_bytes = struct.unpack(HEADER, entry)
  return #entry - HEADER_BYTES - key_bytes
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
    for i, item in ipairs(call('XRANGE', LOG, '-', '+', 'COUNT', count)) do
      entries[i] = item[2][2]
    end
  end
  return entries
end

local function drop(state, entry)
  local offset, _, _, link, key_bytes = struct.unpack(HEADER, entry)
  state.floor, state.floor_link = offset, link
  state.count = state.count - 1
  state.bytes = state.bytes - (#entry - HEADER_BYTES - key_bytes)
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
  local first = oldest_entries(state, 1)[1]
  local count = state.latest == 1 and call('ZCARD', ORDER) or call('XLEN', LOG)
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
    local id = whole(offset)
    local found = call('XRANGE', LOG, id, id)[1]
    return found and string.sub(found[2][2], 25, 32) or nil
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
  call('SPUBLISH', META, struct.pack('>c8I1c8I8c8I2', origin, flags, state.epoch, state.tail,
    state.tail_link, #state.type) .. state.type .. entries)
end
