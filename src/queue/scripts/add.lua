-- Adds jobs to one queue, in the order given; each only once where a record is kept, however often
-- the call is repeated.
-- KEYS[1] meta   KEYS[2] the record (see begin.lua); left out: none is kept
-- ARGV[1] base; then for each job: its field in the record, its own id or "", kind, payload (JSON),
--   options (JSON)
-- Returns one text a job: "added", "existing" (the id was there) or "deduplicated", a space, and the
-- id of the job that stands for it; "answered" when the record's request has been answered meanwhile.
local base, record = ARGV[1], KEYS[2]
local now = server_ms()

-- From here on the deduplication id stands for this job.
local function stand_for(key, id, rule)
  if rule.ttl and not rule.keepLastIfActive then
    call("SET", key, id, "PX", rule.ttl)
  else
    call("SET", key, id)
  end
end

-- Whether an earlier, still delayed job made room for this one.
local function replaces(earlier, key, id, rule)
  if not rule.replace or call("ZREM", base .. ":delayed", earlier) == 0 then
    return false
  end
  remove(base, earlier, now)
  event(base, "removed", "jobId", earlier, "prev", "delayed")
  event(base, "deduplicated", "jobId", id, "deduplicationId", rule.id, "deduplicatedJobId", earlier)
  call("DEL", base .. ":dn:" .. rule.id)
  if rule.ttl and not rule.extend and not rule.keepLastIfActive then
    call("SET", key, id, "KEEPTTL")
  else
    stand_for(key, id, rule)
  end
  return true
end

-- Whether this job was noted as the one that comes after an earlier one that runs.
local function follows(earlier, key, id, rule, job)
  if not rule.keepLastIfActive or not call("LPOS", base .. ":active", earlier) then
    return false
  end
  local noted = base .. ":dn:" .. rule.id
  call("HSET", noted, "name", job.kind, "data", job.payload, "opts", job.options, "jid", id)
  call("HDEL", noted, "pk", "pd", "pdk", "rjk")
  call("PERSIST", key)
  return true
end

-- The earlier job that stands for this one; none if this one is to be added.
local function duplicate_of(id, rule, job)
  local key = base .. ":de:" .. rule.id
  local earlier = call("GET", key)
  if earlier and replaces(earlier, key, id, rule) then
    return nil
  end
  if earlier and call("PTTL", key) == -1 and call("EXISTS", base .. ":" .. earlier) == 0 then
    -- It went without giving the deduplication id back.
    call("DEL", base .. ":dn:" .. rule.id)
    earlier = nil
  end
  if not earlier then
    stand_for(key, id, rule)
    return nil
  end
  local followed = follows(earlier, key, id, rule, job)
  if not followed and rule.extend and rule.ttl and not rule.replace then
    stand_for(key, earlier, rule)
  end
  if followed or not rule.replace then
    event(base, "deduplicated", "jobId", earlier, "deduplicationId", rule.id, "deduplicatedJobId", id)
  end
  return earlier
end

local function add(job)
  local options = cjson.decode(job.options)
  local id, rule = job.id, options.de
  -- BullMQ counts those with an id of their own too.
  local number = call("INCR", base .. ":id")
  if id == "" then
    id = tostring(number)
  elseif call("EXISTS", base .. ":" .. id) == 1 then
    event(base, "duplicated", "jobId", id)
    return "existing " .. id
  end
  local earlier = rule and duplicate_of(id, rule, job)
  if earlier then
    return "deduplicated " .. earlier
  end
  local delay, priority = options.delay or 0, options.priority or 0
  call("HSET", base .. ":" .. id, "name", job.kind, "data", job.payload, "opts", job.options,
    "timestamp", now, "delay", delay, "priority", priority)
  if rule then
    call("HSET", base .. ":" .. id, "deid", rule.id)
  end
  event(base, "added", "jobId", id, "name", job.kind)
  if delay > 0 then
    put_delayed(base, id, now + delay)
  else
    put(base, id, priority, priority == 0 and options.lifo)
    event(base, "waiting", "jobId", id)
    wake(base)
  end
  return "added " .. id
end

local answers = {}
local answered = record and call("HEXISTS", record, "answer") == 1
for at = 2, #ARGV, 5 do
  local field = ARGV[at]
  local answer = answered and "answered" or record and call("HGET", record, field)
  if not answer then
    answer = add({ id = ARGV[at + 1], kind = ARGV[at + 2], payload = ARGV[at + 3], options = ARGV[at + 4] })
    if record then
      call("HSET", record, field, answer)
    end
  end
  answers[#answers + 1] = answer
end
return answers
