-- What a reader must know, all of one moment: the facts of the log, and a stretch of it.
--
-- ARGV: now, mode, offset, most entries, most payload bytes. Modes:
--   after   entries with greater offsets than `offset`
--   before  entries with lesser offsets, newest first (offset 0: from the end)
--   last    no entries, but the place from which `offset` entries follow
--   links   no entries, but the links that are kept of a stream that keeps the latest
--   info    no entries; the stream is not used by that, and told of also when it is deleted
-- Returns nothing when there is no stream, else
--   {epoch, type, floor, floor link, tail, tail link, closed, created, settings,
--    place: offset and link ('' when not known), whether there are more, entries,
--    inherited, fork, whether deleted, newest time}

local now_ms = read_clock(ARGV[1])
local mode, offset = ARGV[2], tonumber(ARGV[3])
local entries_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])

local state = load_state(now_ms)
if not state or (state.deleted == 1 and mode ~= 'info') then
  return nil
end
trim(state, now_ms)
if mode ~= 'info' then
  touch(state, now_ms, math.min(1000, state.ttl_ms / 100))
end

-- Entries from one side, as many at a time as are likely to be wanted.
local function fetch(from, count)
  local entries = {}
  if state.latest == 0 then
    if mode ~= 'before' then
      from = math.max(from, state.floor)
      return log_entries(state, from + 1, from + count)
    end
    local to = from and math.min(from - 1, state.tail) or state.tail
    local found = log_entries(state, to - count + 1, to)
    for i = #found, 1, -1 do
      entries[#entries + 1] = found[i]
    end
    return entries
  end
  local keys
  if mode == 'before' then
    keys = call('ZRANGE', ORDER, from and '(' .. whole(from) or '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, count)
  else
    keys = call('ZRANGE', ORDER, '(' .. whole(from), '+inf', 'BYSCORE', 'LIMIT', 0, count)
  end
  if #keys > 0 then
    entries = call('HMGET', LATEST, unpack(keys))
  end
  return entries
end

local function collect()
  local entries, bytes = {}, 0
  local from = offset
  if mode == 'before' and offset == 0 then
    from = nil
  end
  while #entries < entries_max do
    local wanted = math.min(CHUNK, entries_max - #entries)
    local found = fetch(from, wanted)
    for _, entry in ipairs(found) do
      bytes = bytes + payload_bytes(entry)
      if bytes > bytes_max and #entries > 0 then
        return entries
      end
      entries[#entries + 1] = entry
      from = struct.unpack('>I8', entry)
    end
    if #found < wanted then
      break
    end
  end
  return entries
end

-- In a log that keeps everything, what is between floor and tail must be there.
local function is_whole(entries)
  if mode ~= 'after' or entries_max == 0 or state.latest == 1 then
    return true
  end
  if offset < state.floor or offset >= state.tail then
    return true
  end
  return #entries > 0 and struct.unpack('>I8', entries[1]) == offset + 1
end

local function find_last(count)
  if count >= state.count then
    return state.floor
  end
  if count <= 0 then
    return state.tail
  end
  if state.latest == 0 then
    return state.tail - count
  end
  local key = call('ZRANGE', ORDER, -count, -count)[1]
  local first, _, previous = struct.unpack(HEADER, call('HGET', LATEST, key))
  return first - 1, previous
end

local entries, link = {}, nil
if mode == 'last' then
  offset, link = find_last(offset)
elseif mode == 'links' then
  entries = call('LRANGE', LINKS, 0, -1)
elseif entries_max > 0 then
  entries = collect()
  if not is_whole(entries) then
    mend(state)
    entries = collect()
  end
end
if state.is_changed then
  save_state(state)
end
local has_more = 0
if #entries > 0 and mode ~= 'links' then
  local ends_at = struct.unpack('>I8', entries[#entries])
  if mode == 'before' then
    local oldest = oldest_entries(state, 1)[1]
    has_more = oldest and struct.unpack('>I8', oldest) < ends_at and 1 or 0
  else
    has_more = ends_at < state.tail and 1 or 0
  end
end
local fixed = call('HMGET', META, 'created_ms', 'settings', 'fork')
return {
  state.epoch, state.type, state.floor, state.floor_link, state.tail, state.tail_link,
  state.closed, tonumber(fixed[1]), fixed[2], offset, link or link_at(state, offset) or '', has_more, entries,
  state.inherited, fixed[3] or '', state.deleted, state.newest_ms,
}
