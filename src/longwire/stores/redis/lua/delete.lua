-- Remove a stream with all that is known of it, and tell its readers. ARGV: now, name of this server.
-- Returns 0 when there was none, 1, or 2 when it was deleted before; then what it was forked from,
-- unless forks of it keep it, and with it what it was forked from, in place.

local state = load_state(read_clock(ARGV[1]))
if not state then
  return { 0, '' }
end
if state.deleted == 1 then
  return { 2, '' }
end
local fork = call('HGET', META, 'fork') or ''
local remaining = remove_stream(state, ARGV[2])
return { 1, remaining and '' or fork }
