-- Ends jobs that this worker holds: to `completed` or `failed`, with all that hangs on it: the
-- parent in a flow, deduplication, retention, events.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] worker's name, then for each job seven values: id, lease token, "completed" or
-- "failed", return value (JSON) or reason, jobs to keep in that state (-1: all), seconds to keep them
-- (-1: for ever), attempts (0: this was none)
-- Returns for each job "done", "lost" (somebody else holds it), "children" (some are not done yet),
-- "failed children", or an error's text.
local base = ARGV[1]
local now = server_ms()
local REMOVED_AT_ONCE = 200

-- What its producer wants to happen to the parent of a child that failed.
local function tell_parent_of_failure(parent, key, reason)
  local parent_base, parent_id = parent["queueKey"], parent["id"]
  local parent_key = parent_base .. ":" .. parent_id
  if not (parent["fpof"] or parent["cpof"] or parent["idof"] or parent["rdof"]) then
    return
  end
  if call("SREM", parent_key .. ":dependencies", key) == 0 then
    return
  end
  if parent["fpof"] then
    call("ZADD", parent_key .. ":unsuccessful", now, key)
    if call("EXISTS", parent_key) == 0 or call("ZSCORE", parent_base .. ":failed", parent_id) then
      return
    end
    call("HSET", parent_key, "defa", "child " .. key .. " failed")
    if call("ZREM", parent_base .. ":delayed", parent_id) == 1 then
      call("ZADD", parent_base .. ":waiting-children", now, parent_id)
      call("HSET", parent_key, "delay", 0)
    end
    release_parent(parent_base, parent_id, now)
    return
  end
  if parent["cpof"] or parent["idof"] then
    call("HSET", parent_key .. ":failed", key, reason)
  end
  if parent["cpof"] or call("SCARD", parent_key .. ":dependencies") == 0 then
    release_parent(parent_base, parent_id, now)
  end
end

local function tell_parent(parent, key, completed, value)
  if not completed then
    tell_parent_of_failure(parent, key, value)
    return
  end
  local parent_key = parent["queueKey"] .. ":" .. parent["id"]
  if call("SREM", parent_key .. ":dependencies", key) == 1 then
    call("HSET", parent_key .. ":processed", key, value)
    if call("SCARD", parent_key .. ":dependencies") == 0 then
      release_parent(parent["queueKey"], parent["id"], now)
    end
  end
end

-- Adds the job that was asked for while this one was running and could not be added because of it.
local function add_suppressed(id)
  local next_key = base .. ":dn:" .. id
  local job = call("HMGET", next_key, "name", "data", "opts", "pk", "pd", "pdk", "rjk", "jid")
  if not job[1] then
    return
  end
  call("DEL", next_key)
  local number = call("INCR", base .. ":id")
  local new_id = job[8] or tostring(number)
  local key = base .. ":" .. new_id
  local readable, opts = pcall(cjson.decode, job[3] or "")
  opts = readable and type(opts) == "table" and opts or {}
  local dedup = opts["de"] or {}
  local lifetime = not dedup["keepLastIfActive"] and tonumber(dedup["ttl"]) or 0
  if lifetime > 0 then
    call("SET", base .. ":de:" .. id, new_id, "PX", lifetime)
  else
    call("SET", base .. ":de:" .. id, new_id)
  end
  local delay, priority = tonumber(opts["delay"]) or 0, tonumber(opts["priority"]) or 0
  call("HSET", key, "name", job[1], "data", job[2], "opts", job[3], "timestamp", now, "delay", delay,
    "priority", priority, "deid", id)
  if job[4] then
    call("HSET", key, "parentKey", job[4], "parent", job[5] or "")
  end
  if job[7] then
    call("HSET", key, "rjk", job[7])
  end
  event(base, "added", "jobId", new_id, "name", job[1])
  if delay > 0 then
    put_delayed(base, new_id, now + delay)
  else
    put(base, new_id, priority, opts["lifo"])
    event(base, "waiting", "jobId", new_id)
    wake(base)
  end
  if job[6] then
    call("SADD", job[6], key)
  end
end

local function end_deduplication(dedup_id, id)
  local key = base .. ":de:" .. dedup_id
  -- One with a lifetime ends by itself.
  if call("PTTL", key) == -1 and call("GET", key) == id then
    call("DEL", key)
  end
  add_suppressed(dedup_id)
end

local function retain(set, count, age)
  local function forget(ids)
    for _, id in ipairs(ids) do
      remove(base, id, now)
      call("ZREM", set, id)
    end
  end
  if age >= 0 then
    forget(call("ZRANGEBYSCORE", set, "-inf", now - age * 1000, "LIMIT", 0, REMOVED_AT_ONCE))
  end
  local surplus = count >= 0 and math.min(call("ZCARD", set) - count, REMOVED_AT_ONCE) or 0
  if surplus > 0 then
    forget(call("ZRANGE", set, 0, surplus - 1))
  end
end

local function settle(id, token, state, value, count, age, attempts)
  local key, completed = base .. ":" .. id, state == "completed"
  if not held(base, id, token) then
    -- The answer to an earlier call may have been lost on its way.
    local ours = call("ZSCORE", base .. ":" .. state, id) and call("HGET", key, "pb") == ARGV[2]
    return ours and "done" or "lost"
  end
  if completed and call("EXISTS", key .. ":dependencies", key .. ":unsuccessful") > 0 then
    return call("ZCARD", key .. ":unsuccessful") > 0 and "failed children" or "children"
  end
  -- All that may fail comes before the first change: nothing is undone.
  local job = call("HMGET", key, "parent", "deid")
  local readable, parent = pcall(cjson.decode, job[1] or "")
  let_go(base, id)
  if job[2] then
    end_deduplication(job[2], id)
  end
  if readable and type(parent) == "table" and parent["queueKey"] and parent["id"] then
    tell_parent(parent, key, completed, value)
  end
  local made = attempts > 0 and call("HINCRBY", key, "atm", 1) or 0
  local field = completed and "returnvalue" or "failedReason"
  if count == 0 then
    remove(base, id, now)
  else
    call("ZADD", base .. ":" .. state, now, id)
    call("HSET", key, field, value, "finishedOn", now)
    if not completed then
      call("HDEL", key, "defa")
    end
    retain(base .. ":" .. state, count, age)
  end
  if is_canary(id) then
    return "done"
  end
  event(base, state, "jobId", id, field, value, "prev", "active")
  if not completed and attempts > 0 and made >= attempts then
    event(base, "retries-exhausted", "jobId", id, "attemptsMade", made)
  end
  return "done"
end

local answers, jobs = {}, 0
for i = 3, #ARGV, 7 do
  -- One job that cannot be ended must not take the others with it.
  local fine, answer = pcall(settle, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3],
    tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]))
  jobs = jobs + (is_canary(ARGV[i]) and 0 or 1)
  answers[#answers + 1] = fine and answer or tostring(type(answer) == "table" and answer.err or answer)
end
if call("LLEN", base .. ":wait") + call("ZCARD", base .. ":prioritized") > 0 then
  -- Whoever was kept from them by the queue's global concurrency.
  wake(base)
elseif jobs > 0 and call("LLEN", base .. ":active") == 0 then
  event(base, "drained")
end
return answers
