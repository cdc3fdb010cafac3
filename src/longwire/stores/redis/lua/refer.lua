-- Note that a stream has a fork, or has it no longer. ARGV: now, '+' or '-', name of the fork.
-- '+' returns 1, or 0 when there is no such stream. '-' returns what the stream was forked from
-- when the last reference to a deleted one is gone, and so is it; else ''.

local now_ms = read_clock(ARGV[1])
local state = load_state(now_ms)
if ARGV[2] == '+' then
  if not state or state.deleted == 1 then
    return 0
  end
  call('HSET', FORKS, ARGV[3], whole(now_ms))
  return 1
end
call('HDEL', FORKS, ARGV[3])
if not state or state.deleted == 0 or call('HLEN', FORKS) > 0 then
  return ''
end
local fork = call('HGET', META, 'fork') or ''
call('UNLINK', META, FORKS)
return fork
