-- Copy what a fork inherits, piece by piece; the stream is seen when an append finishes it. The
-- source lies in another slot maybe, so this is two-step: a fork that is never finished is one that
-- nobody sees, and the next attempt writes over it.
--
-- ARGV: now, token (the epoch of the fork), whether this is the first piece. The first piece goes on
-- with settings, what is inherited of which epoch, what it was forked from, and floor, tail and
-- newest time of the copy; all pieces with the number of links, the links, and the entries.
-- Returns 1, or 0 when the name is taken or another attempt has written over this one.

local now_ms = read_clock(ARGV[1])
local at = 4
if ARGV[3] == '1' then
  if load_state(now_ms) then
    return 0
  end
  local settings = cjson.decode(ARGV[4])
  local floor, floor_link, tail, tail_link = struct.unpack('>I8c8I8c8', ARGV[7])
  call('UNLINK', META, LOG, LATEST, ORDER, LINKS, HEADS, USED, FORGOTTEN, ERASED)
  call('HSET', META, 'epoch', ARGV[2], 'type', settings.type, 'json', settings.json,
    'latest', settings.latest, 'entries_max', whole(settings.entries_max),
    'bytes_max', whole(settings.bytes_max), 'age_max_ms', whole(settings.age_max_ms),
    'ttl_ms', whole(settings.ttl_ms), 'expires_ms', whole(settings.expires_ms),
    'created_ms', whole(now_ms), 'settings', settings.text, 'inherited', ARGV[5], 'fork', ARGV[6],
    'floor', whole(floor), 'floor_link', floor_link, 'tail', whole(tail), 'tail_link', tail_link,
    'newest_ms', ARGV[8], 'oldest_ms', 0, 'used_ms', whole(now_ms), 'closed', 0, 'count', 0,
    'bytes', 0, 'erased', 0, 'deleted', 0, 'forming', 1)
  at = 9
end
local state = load_any()
if not state or state.forming == 0 or state.epoch ~= ARGV[2] then
  return 0
end
local links = tonumber(ARGV[at])
for i = at + 1, at + links do
  call('RPUSH', LINKS, ARGV[i])
end
for i = at + links + 1, #ARGV do
  local entry = ARGV[i]
  local offset, _, _, _, key_bytes = struct.unpack(HEADER, entry)
  if state.latest == 1 then
    local key = string.sub(entry, HEADER_BYTES + 1, HEADER_BYTES + key_bytes_of(entry))
    call('ZADD', ORDER, offset, key)
    call('HSET', LATEST, key, entry)
  elseif key_bytes >= ERASED_BIT then
    call('HSET', ERASED, whole(offset), entry)
    state.erased = state.erased + 1
  else
    add_to_log(offset, entry)
  end
  state.count = state.count + 1
  state.bytes = state.bytes + payload_bytes(entry)
end
save_state(state)
return 1
