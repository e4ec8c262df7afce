-- Who paused a queue, why and until when. BullMQ's own flag (`paused` in meta) says only that it is
-- paused; it is set with the first pause and cleared with the last.
-- Every call first takes in what happened since the one before: a client that resumed the queue lifts
-- every pause, one that paused it is an owner whom nobody knows, and pauses that are over are lifted.
-- KEYS[1] the pauses of this queue: "by:<owner>" → JSON, "stranger" (another client), "seen" (the last
--         event that was taken in)
-- KEYS[2] the set of queues that have pauses
-- ARGV[1] the queue's key, without a colon at its end   ARGV[2] the queue
-- ARGV[3] "look", "pause", "resume" (one owner), "resume-all"   ARGV[4] owner
-- Of a pause: ARGV[5] reason   ARGV[6] "for" (ms), "until" (Unix ms) or ""   ARGV[7] that number
-- Returns: 1 if there is more to take in before anything is lifted (call again), 1 if the queue is
-- paused, 1 if another client paused it, 1 if a pause was set or lifted as asked (one that would be over
-- already is not set), the pauses as pairs of owner and JSON.
local pauses, index, base, queue, op, owner = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local meta, wait, set_aside = base .. ":meta", base .. ":wait", base .. ":paused"
local AT_ONCE = 500
local now = server_ms()
local paused = call("HEXISTS", meta, "paused") == 1
local seen, stranger, records, count = nil, false, {}, 0
local kept = call("HGETALL", pauses)
for i = 1, #kept, 2 do
  if kept[i] == "seen" then
    seen = kept[i + 1]
  elseif kept[i] == "stranger" then
    stranger = true
  else
    records[string.sub(kept[i], 4)] = kept[i + 1]
    count = count + 1
  end
end

local function drop(name)
  if records[name] then
    call("HDEL", pauses, "by:" .. name)
    records[name] = nil
    count = count - 1
    return true
  end
end

local function drop_all()
  call("DEL", pauses)
  call("SREM", index, queue)
  records, count = {}, 0
end

if op ~= "look" or paused and count > 0 then
  -- A full Redis refuses a script whose first write needs memory; resuming may make room.
  call("HDEL", pauses, "")
end
local more = false
if not paused then
  if #kept > 0 then
    drop_all()
  end
elseif count > 0 then
  local entries = call("XRANGE", base .. ":events", "(" .. (seen or "0"), "+", "COUNT", AT_ONCE)
  more = #entries == AT_ONCE
  for _, entry in ipairs(entries) do
    local fields = {}
    for i = 1, #entry[2], 2 do
      fields[entry[2][i]] = entry[2][i + 1]
    end
    if fields.event == "paused" and not fields.by then
      stranger = true
      if count > 0 then
        call("HSET", pauses, "stranger", string.match(entry[1], "^%d+"))
      end
    elseif fields.event == "resumed" and not fields.by then
      -- And paused again since then, or it would not be paused now.
      stranger = true
      drop_all()
    end
  end
  if #entries > 0 and count > 0 then
    call("HSET", pauses, "seen", entries[#entries][1])
  end
else
  stranger = true
end

-- BullMQ 5 clients add to `paused` while a queue is paused; when they pause it themselves they rename
-- `wait` to `paused`, and back over whatever is in `wait` when they resume. So one of the two is kept
-- empty: the one where a client with that habit does no harm, and where the order is right.
if paused and call("EXISTS", wait, set_aside) == 2 then
  local from, to = set_aside, wait
  if stranger then
    from, to = wait, set_aside
  end
  local moved = 0
  while moved < AT_ONCE and call("RPOPLPUSH", from, to) do
    moved = moved + 1
  end
  more = more or moved == AT_ONCE
end

local function answer(done)
  local list = {}
  for name, record in pairs(records) do
    list[#list + 1] = { name, record }
  end
  return { more and 1 or 0, paused and 1 or 0, paused and stranger and 1 or 0, done and 1 or 0, list }
end

if op == "pause" then
  local length = tonumber(ARGV[7])
  local ends = ARGV[6] == "for" and now + length or ARGV[6] == "until" and length or nil
  if ends and ends <= now then
    return answer(false)
  end
  local record = cjson.encode({ reason = ARGV[5], since = now, ["until"] = ends })
  if paused and stranger and count == 0 then
    call("HSET", pauses, "stranger", 0)
  end
  if not records[owner] then
    count = count + 1
  end
  records[owner] = record
  call("HSET", pauses, "by:" .. owner, record)
  call("SADD", index, queue)
  if not paused then
    stranger = false
    call("HSET", meta, "paused", 1)
    -- `by` tells our events from those of other clients.
    event(base, "paused", "by", owner)
    call("DEL", base .. ":marker")
    paused, seen = true, nil
  end
  if not seen then
    local last = call("XREVRANGE", base .. ":events", "+", "-", "COUNT", 1)[1]
    call("HSET", pauses, "seen", last and last[1] or "0")
  end
  return answer(true)
end
if more or not paused then
  return answer(false)
end

local had = count
for name, record in pairs(records) do
  local ends = cjson.decode(record)["until"]
  if type(ends) == "number" and ends <= now then
    drop(name)
  end
end
local done = op == "resume" and drop(owner)
if op == "resume-all" then
  done, stranger = true, false
  drop_all()
end
if count > 0 then
  return answer(done)
end
if had > 0 then
  drop_all()
end
if stranger or (had == 0 and not done) then
  return answer(done)
end
call("HDEL", meta, "paused")
if call("EXISTS", set_aside) == 1 then
  call("RENAME", set_aside, wait)
end
if call("LLEN", wait) > 0 or call("ZCARD", base .. ":prioritized") > 0 then
  wake(base)
else
  wake_when_due(base)
end
event(base, "resumed", "by", owner)
paused = false
return answer(done)
