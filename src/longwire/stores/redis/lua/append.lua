-- Check, append and notify: several appends to one stream, each all or nothing, in order.
--
-- KEYS from 11 on: the ring of results of each append's producer, in the order of the appends that
-- have one. ARGV: now, name of this server, a new epoch, limits, then the appends (append.py).
-- Returns the epoch, the content type, whether the stream was created, and what became of each.

local now_ms = read_clock(ARGV[1])
local ORIGIN, NEW_EPOCH = ARGV[2], ARGV[3]
local STATE_MS, PRODUCERS_MAX, FORGOTTEN_MAX = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local LIVE_BYTES_MAX = tonumber(ARGV[7])
local WRITES_ALWAYS = ARGV[8] == '1' -- replicas are waited for
local RESULTS_MAX, RESULT_BYTES = 64, 32

local ACCEPTED, DUPLICATE, REFUSED = 0, 1, 2

local state = load_state(now_ms)
local is_new = false
local live, live_bytes = {}, 0
local producers_touched = false

local function begin_stream(spec)
  local settings = cjson.decode(spec)
  return {
    epoch = NEW_EPOCH, type = settings.type, json = settings.json, latest = settings.latest,
    entries_max = settings.entries_max, bytes_max = settings.bytes_max,
    age_max_ms = settings.age_max_ms, ttl_ms = settings.ttl_ms, expires_ms = settings.expires_ms,
    used_ms = now_ms, erased = 0, deleted = 0, forming = 0, inherited = '',
    floor = 0, floor_link = FIRST_LINK, tail = 0, tail_link = FIRST_LINK, closed = 0,
    newest_ms = now_ms, oldest_ms = now_ms, count = 0, bytes = 0,
    text = settings.text,
  }
end

local function write_new_stream(fresh)
  -- Parts of an earlier stream may be there still, if Redis evicted its meta.
  call('UNLINK', META, LOG, LATEST, ORDER, LINKS, HEADS, USED, FORGOTTEN, ERASED)
  call('HSET', META, 'epoch', fresh.epoch, 'type', fresh.type, 'json', fresh.json,
    'latest', fresh.latest, 'entries_max', whole(fresh.entries_max),
    'bytes_max', whole(fresh.bytes_max), 'age_max_ms', whole(fresh.age_max_ms),
    'ttl_ms', whole(fresh.ttl_ms), 'expires_ms', whole(fresh.expires_ms),
    'created_ms', whole(now_ms), 'settings', fresh.text)
end

local function forget(producer, epoch, used_ms, ring)
  call('ZREM', USED, producer)
  call('HSET', HEADS, producer, epoch .. ' -1 ' .. used_ms)
  call('ZADD', FORGOTTEN, used_ms, producer)
  call('UNLINK', ring)
end

-- META is "…:m"; the ring of a producer is "…:r:" and its name (keys.py).
local function ring_of(producer)
  return string.sub(META, 1, -2) .. 'r:' .. producer
end

local function forget_some(producers)
  for _, producer in ipairs(producers) do
    local epoch, _, used = string.match(call('HGET', HEADS, producer) or '0 -1 0', '^(%d+) (%-?%d+) (%d+)$')
    forget(producer, epoch, used, ring_of(producer))
  end
end

-- Those silent for too long and, past the limit, those silent for longest.
local function forget_silent()
  forget_some(call('ZRANGE', USED, '-inf', '(' .. whole(now_ms - STATE_MS), 'BYSCORE', 'LIMIT', 0, 4))
  local excess = call('ZCARD', USED) - PRODUCERS_MAX
  if excess > 0 then
    forget_some(call('ZRANGE', USED, 0, excess - 1))
  end
  excess = call('ZCARD', FORGOTTEN) - FORGOTTEN_MAX
  if excess > 0 then
    local gone = call('ZPOPMIN', FORGOTTEN, excess)
    for i = 1, #gone, 2 do
      call('HDEL', HEADS, gone[i])
    end
  end
end

-- The rule of streams/producer.py. Returns nil when the append is new, else the answer.
local function judge_producer(append)
  local epoch, sequence = append.producer_epoch, append.sequence
  local head = state and call('HGET', HEADS, append.producer)
  if not head then
    if sequence == 0 then
      return nil
    end
    return { REFUSED, 'producer_unknown' }
  end
  local known_epoch, next_sequence, used = string.match(head, '^(%d+) (%-?%d+) (%d+)$')
  known_epoch, next_sequence = tonumber(known_epoch), tonumber(next_sequence)
  append.was_forgotten = next_sequence < 0
  if tonumber(used) + STATE_MS < now_ms then
    next_sequence = -1
  end
  if epoch < known_epoch then
    return { REFUSED, 'producer_fenced', known_epoch }
  end
  if epoch > known_epoch then
    if sequence == 0 then
      return nil
    end
    return { REFUSED, 'producer_epoch_start' }
  end
  if next_sequence < 0 then
    return { REFUSED, 'producer_unknown' }
  end
  if sequence == next_sequence then
    return nil
  end
  if sequence > next_sequence then
    return { REFUSED, 'sequence_gap', next_sequence }
  end
  local newest = next_sequence - 1
  if next_sequence - sequence > RESULTS_MAX then
    return { DUPLICATE, 0, FIRST_LINK, 0, FIRST_LINK, newest }
  end
  local start = (sequence % RESULTS_MAX) * RESULT_BYTES
  local result = call('GETRANGE', append.ring, start, start + RESULT_BYTES - 1)
  if #result < RESULT_BYTES then
    return { DUPLICATE, 0, FIRST_LINK, 0, FIRST_LINK, newest }
  end
  local first, first_link, last, last_link = struct.unpack('>I8c8I8c8', result)
  return { DUPLICATE, first, first_link, last, last_link, newest }
end

local function record_producer(append, first, first_link, last, last_link)
  call('HSET', HEADS, append.producer,
    whole(append.producer_epoch) .. ' ' .. whole(append.sequence + 1) .. ' ' .. whole(now_ms))
  if append.was_forgotten then
    call('ZREM', FORGOTTEN, append.producer)
  end
  call('ZADD', USED, now_ms, append.producer)
  call('SETRANGE', append.ring, (append.sequence % RESULTS_MAX) * RESULT_BYTES,
    struct.pack('>I8c8I8c8', first, first_link, last, last_link))
  call('PEXPIRE', append.ring, whole(STATE_MS * 2))
  producers_touched = true
end

-- The rule of entry.is_acceptable.
local function is_acceptable(given)
  if given == '' or given == state.type then
    return true
  end
  if given == 'application/json' then
    return state.json == 1
  end
  return given == 'application/octet-stream' and state.json == 0
end

local function check(append)
  if state.closed == 1 then
    return { REFUSED, 'stream_closed' }
  end
  if not is_acceptable(append.content_type) then
    return { REFUSED, 'wrong_content_type', state.type }
  end
  if append.application_sequence ~= '' and not (is_new and not state.is_written) then
    local last = call('HGET', META, 'application_sequence')
    if last and append.application_sequence <= last then
      return { REFUSED, 'sequence_regression', string.sub(last, 2) }
    end
  end
  if append.if_tail ~= '' then
    local offset, epoch, link = struct.unpack('>I8c8c8', append.if_tail)
    local is_here = epoch == epoch_at(state, state.tail) and link == state.tail_link
    if offset ~= state.tail or (offset > 0 and not is_here) then
      return { REFUSED, 'tail_moved' }
    end
  end
  return nil
end

local function link_of(previous, payload)
  local digest = redis.sha1hex(previous .. payload)
  return struct.pack('>I4I4', tonumber(string.sub(digest, 1, 8), 16), tonumber(string.sub(digest, 9, 16), 16))
end

local function store_entry(key, payload)
  local offset, previous = state.tail + 1, state.tail_link
  local link = link_of(previous, payload)
  local entry = struct.pack(HEADER, offset, state.newest_ms, previous, link, #key) .. key .. payload
  if state.latest == 1 then
    local superseded = call('HGET', LATEST, key)
    if superseded then
      state.count = state.count - 1
      state.bytes = state.bytes - payload_bytes(superseded)
    end
    call('ZADD', ORDER, offset, key)
    call('HSET', LATEST, key, entry)
    call('RPUSH', LINKS, link)
    call('LTRIM', LINKS, -LINKS_KEPT, -1)
  else
    add_to_log(offset, entry)
  end
  if state.count == 0 then
    state.oldest_ms = state.newest_ms
  end
  state.tail, state.tail_link = offset, link
  state.count = state.count + 1
  state.bytes = state.bytes + #payload
  live[#live + 1] = struct.pack('>I4', #entry)
  live[#live + 1] = entry
  live_bytes = live_bytes + #entry + 4
  return link
end

local function store(append)
  if is_new and not state.is_written then
    write_new_stream(state)
    state.is_written = true
  end
  state.newest_ms = math.max(now_ms, state.newest_ms)
  local before = state.tail_link
  local first, first_link = 0, FIRST_LINK
  for i = append.start, append.start + 2 * append.count - 1, 2 do
    local link = store_entry(ARGV[i], ARGV[i + 1])
    if first == 0 then
      first, first_link = state.tail, link
    end
  end
  local last, last_link = 0, FIRST_LINK
  if first > 0 then
    last, last_link = state.tail, state.tail_link
  end
  if append.closes then
    state.closed = 1
  end
  if append.application_sequence ~= '' then
    call('HSET', META, 'application_sequence', append.application_sequence)
  end
  touch(state, now_ms, 0)
  if append.producer ~= '' then
    record_producer(append, first, first_link, last, last_link)
  end
  state.is_changed = true
  trim(state, now_ms)
  return { ACCEPTED, first, before, last, last_link, state.newest_ms }
end

local function handle(append)
  if append.finishes_fork then
    -- What was copied so far becomes a stream, with what this append brings.
    state = load_any()
    if not state or state.forming == 0 or state.epoch ~= NEW_EPOCH then
      return { REFUSED, 'fork_lost' }
    end
    state.forming, is_new = 0, true
    state.is_written = true
    return store(append)
  end
  if state and state.deleted == 1 then
    return { REFUSED, 'stream_gone' }
  end
  if not state then
    if append.create == '' then
      return { REFUSED, 'stream_missing' }
    end
    if append.producer == '' or append.sequence == 0 then
      state, is_new = begin_stream(append.create), true
    end
  end
  if append.producer ~= '' then
    local answer
    if is_new and not state.is_written then
      append.was_forgotten = false -- what is left of an earlier life does not count
    else
      answer = judge_producer(append)
    end
    if answer then
      if answer[1] == DUPLICATE then
        touch(state, now_ms, 0)
      end
      return answer
    end
  end
  if append.only_creates then
    if is_new and not state.is_written then
      return store(append)
    end
    return { ACCEPTED, 0, FIRST_LINK, 0, FIRST_LINK, now_ms }
  end
  local refusal = check(append)
  if refusal then
    if is_new and not state.is_written then
      state, is_new = nil, false
    end
    return refusal
  end
  return store(append)
end

local at, ring = 9, 11
local function next_append()
  local flags = ARGV[at]
  local append = {
    closes = string.find(flags, 'c', 1, true) ~= nil,
    only_creates = string.find(flags, 'n', 1, true) ~= nil,
    finishes_fork = string.find(flags, 'f', 1, true) ~= nil,
    create = ARGV[at + 1], content_type = ARGV[at + 2], if_tail = ARGV[at + 3],
    producer = ARGV[at + 4], producer_epoch = tonumber(ARGV[at + 5]),
    sequence = tonumber(ARGV[at + 6]), application_sequence = ARGV[at + 7],
    count = tonumber(ARGV[at + 8]), start = at + 9,
  }
  at = at + 9 + 2 * append.count
  if append.producer ~= '' then
    append.ring = KEYS[ring]
    ring = ring + 1
  end
  return append
end

local closed_before = state and state.closed or 0
local tail_before = state and state.tail or 0
local answers = {}
while at <= #ARGV do
  local answer = handle(next_append())
  local place = state or { tail = 0, tail_link = FIRST_LINK, closed = 0 }
  answer[#answer + 1] = place.tail
  answer[#answer + 1] = place.tail_link
  answer[#answer + 1] = place.closed
  answers[#answers + 1] = answer
end

if not state then
  return { '', '', 0, answers, '' }
end
if producers_touched then
  forget_silent()
elseif WRITES_ALWAYS and not state.is_changed then
  -- WAIT covers what its own connection wrote: a duplicate was written by another, before this.
  call('HSET', META, 'asked_ms', whole(now_ms))
end
if state.is_changed then
  save_state(state)
  if #live > 0 or state.closed ~= closed_before then
    local flags = state.closed
    -- The first entry of a fork's own follows one of another epoch, which the message has not.
    local follows_inherited = #state.inherited > 0 and tail_before <= inherited_upto(state)
    if live_bytes > LIVE_BYTES_MAX or follows_inherited then
      live, flags = {}, flags + 2 -- readers ask the log
    end
    publish(state, ORIGIN, flags, table.concat(live))
  end
end
return { state.epoch, state.type, is_new and 1 or 0, answers, state.inherited }
