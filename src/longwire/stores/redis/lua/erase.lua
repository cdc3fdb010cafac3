-- Remove the payload of one entry for good. ARGV: now, name of this server, offset, link.
-- Returns 1, or 0 when the entry is not kept as it was.

local state = load_state(read_clock(ARGV[1]))
local offset = tonumber(ARGV[3])
if not state or state.deleted == 1 or link_at(state, offset) ~= ARGV[4] then
  return 0
end
local entry, key
if state.latest == 1 then
  key = call('ZRANGE', ORDER, offset, offset, 'BYSCORE')[1]
  entry = key and call('HGET', LATEST, key)
else
  entry = log_entries(state, offset, offset)[1]
end
if not entry then
  return 0
end
local at, time, previous, link, key_bytes = struct.unpack(HEADER, entry)
if key_bytes >= ERASED_BIT then
  return 0
end
local stub = struct.pack(HEADER, at, time, previous, link, key_bytes + ERASED_BIT)
  .. string.sub(entry, HEADER_BYTES + 1, HEADER_BYTES + key_bytes)
state.bytes = state.bytes - payload_bytes(entry)
if state.latest == 1 then
  call('HSET', LATEST, key, stub)
else
  call('XDEL', LOG, whole(offset))
  call('HSET', ERASED, whole(offset), stub)
  state.erased = state.erased + 1
end
save_state(state)
publish(state, ARGV[2], 2, '') -- what others have of it in memory is not to be shown any more
return 1
