-- Takes jobs that may run now, each under a lease.
-- KEYS[1] meta
-- ARGV[1] base          ARGV[2] jobs at most        ARGV[3] lease in ms     ARGV[4] token prefix
-- ARGV[5] first token's number   ARGV[6] worker's name
-- ARGV[7] largest share of the busy slots that one user may hold while others wait; 0: no fairness
-- ARGV[8] id of this worker's canary
-- ARGV[9] payload field that names the user   ARGV[10] crashes that make a job a dead letter
-- ARGV[11] jobs in this process' hands that are a crash away from that
-- Returns a state ("open", "paused", "full" or "limited"), the ms after which another look is worth
-- while (0: nothing known), and for each job: id, token, its hash as name-value pairs.
local base, want, lease = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local share = tonumber(ARGV[7])
local now = server_ms()
local meta = call("HMGET", KEYS[1], "paused", "concurrency", "max", "duration")
-- First, whether it is there or not: a full Redis refuses a script whose first write needs memory, and
-- jobs that make room would never run.
local canary = call("HDEL", base .. ":" .. ARGV[8], "waiting") == 1

local last_chance, suspects = math.max(1, tonumber(ARGV[10]) - 1), tonumber(ARGV[11])
local ASIDE_MS = 1000

-- Due jobs join those that wait, also while the queue is paused. Those that were put aside on their last chance
-- had their turn already.
local due = call("ZRANGEBYSCORE", base .. ":delayed", 0, (now + 1) * PER_MS - 1, "LIMIT", 0, 500)
if #due > 0 then
  call("ZREM", base .. ":delayed", unpack(due))
  for _, id in ipairs(due) do
    local job = call("HMGET", base .. ":" .. id, "name", "priority", "stc")
    if job[1] then
      put(base, id, tonumber(job[2]) or 0, (tonumber(job[3]) or 0) >= last_chance)
      event(base, "waiting", "jobId", id, "prev", "delayed")
      call("HSET", base .. ":" .. id, "delay", 0)
    end
  end
end

local function until_due()
  local first = call("ZRANGE", base .. ":delayed", 0, 0, "WITHSCORES")
  return first[2] and math.max(1, math.floor(tonumber(first[2]) / PER_MS) - now) or 0
end

if meta[1] then
  return { "paused", until_due() }
end
if meta[2] then
  want = math.min(want, tonumber(meta[2]) - call("LLEN", base .. ":active"))
  if want <= 0 then
    return { "full", until_due() }
  end
end
local limit = tonumber(meta[3])
if limit then
  local used = tonumber(call("GET", base .. ":limiter") or 0)
  if used >= limit then
    local left = call("PTTL", base .. ":limiter")
    if left > 0 then
      return { "limited", left }
    end
    call("DEL", base .. ":limiter")
    used = 0
  end
  want = math.min(want, limit - used)
end

-- Whether a job is a crash away from being given up, and was not given up yet.
local function is_suspect(job)
  local crashes, given_up = 0, false
  for i = 1, #job, 2 do
    if job[i] == "stc" then
      crashes = tonumber(job[i + 1]) or 0
    elseif job[i] == "defa" then
      given_up = true
    end
  end
  return crashes >= last_chance and not given_up
end

local function plain_turns()
  local id = call("RPOPLPUSH", base .. ":wait", base .. ":active")
  while id and string.sub(id, 1, 2) == "0:" do
    -- A marker that BullMQ 4 left behind.
    call("LREM", base .. ":active", 1, id)
    id = call("RPOPLPUSH", base .. ":wait", base .. ":active")
  end
  if id then
    return id
  end
  id = call("ZPOPMIN", base .. ":prioritized")[1]
  if id then
    call("LPUSH", base .. ":active", id)
  else
    call("DEL", base .. ":pc")
  end
  return id
end

local turns = share > 0 and fair_turns(base, share, ARGV[9]) or plain_turns
local function next_job()
  if canary then
    canary = false
    call("LPUSH", base .. ":active", ARGV[8])
    return ARGV[8]
  end
  return turns()
end

local answer = { "open", 0 }
local token = tonumber(ARGV[5])
while want > 0 do
  local id = next_job()
  if not id then
    break
  end
  local key = base .. ":" .. id
  local job = call("HGETALL", key)
  local suspect = is_suspect(job)
  if #job == 0 then
    -- Removed by somebody who did not look where it was.
    call("LREM", base .. ":active", 1, id)
  elseif suspect and suspects > 0 then
    -- The one that takes its worker down must not take others down with it that are on their last
    -- chance as well.
    call("LREM", base .. ":active", 1, id)
    put_delayed(base, id, now + ASIDE_MS)
  else
    if limit and id ~= ARGV[8] and call("HEXISTS", key, "defa") == 0 and call("INCR", base .. ":limiter") == 1 then
      call("PEXPIRE", base .. ":limiter", math.floor(tonumber(meta[4] or 0)))
    end
    if suspect then
      suspects = suspects + 1
    end
    call("SET", key .. ":lock", ARGV[4] .. token, "PX", lease)
    call("HSET", key, "processedOn", now, "pb", ARGV[6])
    call("HINCRBY", key, "ats", 1)
    if id ~= ARGV[8] then
      event(base, "active", "jobId", id, "prev", "waiting")
    end
    answer[#answer + 1] = { id, ARGV[4] .. token, job }
    token = token + 1
    want = want - 1
  end
end
if call("LLEN", base .. ":wait") > 0 or call("ZCARD", base .. ":prioritized") > 0 then
  -- For the next idle worker, whoever it is.
  call("ZADD", base .. ":marker", 0, "0")
else
  answer[2] = until_due()
end
return answer
