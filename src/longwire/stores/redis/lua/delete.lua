-- Remove a stream with all that is known of it, and tell its readers. ARGV: name of this server.

local state = load_state()
if not state then
  return 0
end
local prefix = string.sub(META, 1, -2) .. 'r:'
for _, producer in ipairs(call('ZRANGE', USED, 0, -1)) do
  call('UNLINK', prefix .. producer)
end
call('UNLINK', META, LOG, LATEST, ORDER, LINKS, HEADS, USED, FORGOTTEN)
publish(state, ARGV[1], 4, '')
return 1
