-- What the scripts share, in front of each of them. `base` is the queue's key without a colon at its
-- end; all keys of a queue, and of the queues of its flows, begin with the same prefix.
local call = redis.call
-- BullMQ orders delayed jobs of one millisecond in the low 12 bits of the score, and prioritized jobs
-- of one priority in the low 32.
local PER_MS, PER_PRIORITY = 0x1000, 0x100000000

local function server_ms()
  local time = call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A worker's own probe of a queue; nobody else is told of it.
local function is_canary(id)
  return string.sub(id, 1, 14) == "roadie:canary:"
end

-- Whether the holder of a token (`worker:number`) holds the job. A lease that ran out, e.g. while Redis was
-- away, is still its own as long as nobody has taken the job: whoever does changes or removes `pb`.
local function held(base, id, token)
  local key = base .. ":" .. id
  local holder = call("GET", key .. ":lock")
  if holder then
    return holder == token
  end
  return call("HGET", key, "pb") == string.match(token, "^(.*):")
    and call("LPOS", base .. ":active", id) ~= false
end

-- Whether the queue is paused, and whether its global concurrency is used up.
local function closed(base)
  local meta = call("HMGET", base .. ":meta", "paused", "concurrency")
  local full = meta[2] and call("LLEN", base .. ":active") >= tonumber(meta[2])
  return meta[1] and true or false, full or false
end

local events_kept = {}
local function event(base, ...)
  local most = events_kept[base]
  if not most then
    most = call("HGET", base .. ":meta", "opts.maxLenEvents") or 10000
    events_kept[base] = most
  end
  call("XADD", base .. ":events", "MAXLEN", "~", most, "*", "event", ...)
end

-- Wakes one idle worker.
local function wake(base)
  local paused, full = closed(base)
  if not paused and not full then
    call("ZADD", base .. ":marker", 0, "0")
  end
end

-- Wakes one idle worker when the next delayed job is due.
local function wake_when_due(base)
  local first = call("ZRANGE", base .. ":delayed", 0, 0, "WITHSCORES")
  if first[2] then
    call("ZADD", base .. ":marker", tonumber(first[2]) / PER_MS, "1")
  end
end

-- Among those that wait, in front or at the back.
local function put(base, id, priority, front)
  if priority > 0 then
    local turn = front and 0 or call("INCR", base .. ":pc") % PER_PRIORITY
    call("ZADD", base .. ":prioritized", priority * PER_PRIORITY + turn, id)
    return
  end
  local list = base .. ":wait"
  -- A BullMQ 5 client pauses by renaming `wait`, and will rename it back over what is there by then.
  if call("EXISTS", base .. ":paused") == 1 and call("HEXISTS", base .. ":meta", "paused") == 1 then
    list = base .. ":paused"
  end
  call(front and "RPUSH" or "LPUSH", list, id)
end

local function put_delayed(base, id, due)
  local low, high = due * PER_MS, (due + 1) * PER_MS - 1
  local last = call("ZREVRANGEBYSCORE", base .. ":delayed", high, low, "WITHSCORES", "LIMIT", 0, 1)
  local score = last[2] and math.min(tonumber(last[2]) + 1, high) or low
  call("ZADD", base .. ":delayed", score, id)
  event(base, "delayed", "jobId", id, "delay", due)
  wake_when_due(base)
end

-- Takes a job out of `active` together with its lease and its user's slot.
local function let_go(base, id)
  call("HDEL", base .. ":roadie:holders", id)
  call("DEL", base .. ":" .. id .. ":lock")
  call("SREM", base .. ":stalled", id)
  return call("LREM", base .. ":active", -1, id) > 0
end

-- A parent whose children are done, or that need not wait for them any more, may run.
local function release_parent(base, id, now)
  if call("ZREM", base .. ":waiting-children", id) == 0 then
    return
  end
  local parent = call("HMGET", base .. ":" .. id, "priority", "delay")
  local delay = tonumber(parent[2]) or 0
  if delay > 0 then
    put_delayed(base, id, now + delay)
  else
    put(base, id, tonumber(parent[1]) or 0, true)
    event(base, "waiting", "jobId", id, "prev", "waiting-children")
    wake(base)
  end
end

-- `key` is a job's: answers its queue's base and its id.
local function split(key)
  return string.match(key, "^(.*):([^:]*)$")
end

-- A child that will not be waited for any more.
local function forget_child(parent_key, child_key, now)
  if call("SREM", parent_key .. ":dependencies", child_key) == 1
    and call("SCARD", parent_key .. ":dependencies") == 0 then
    local base, id = split(parent_key)
    release_parent(base, id, now)
  end
end

-- Everything that is kept of an ended job.
local function remove(base, id, now)
  local key = base .. ":" .. id
  local parent_key = call("HGET", key, "parentKey")
  call("UNLINK", key, key .. ":logs", key .. ":dependencies", key .. ":processed", key .. ":failed",
    key .. ":unsuccessful")
  if parent_key and parent_key ~= "" then
    forget_child(parent_key, key, now)
  end
end
