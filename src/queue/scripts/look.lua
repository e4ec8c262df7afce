-- One job at one moment, and how far the queue's events had come by then.
-- KEYS[1] job hash   KEYS[2] completed   KEYS[3] failed   KEYS[4] delayed   KEYS[5] prioritized
-- KEYS[6] waiting-children   KEYS[7] active   KEYS[8] events
-- ARGV[1] job id   ARGV[2] and on: fields of the job, its kind (`name`) first
-- Returns the id of the last event ("0-0": there is none), the job's state, when it is due (a score
-- of the set `delayed`, or nothing) and its fields; the state is nothing when there is no such job.
local last = redis.call("XREVRANGE", KEYS[8], "+", "-", "COUNT", 1)
local position = last[1] and last[1][1] or "0-0"
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then
  return { position, false, false, {} }
end
local fields = redis.call("HMGET", KEYS[1], unpack(ARGV, 2))
if not fields[1] then
  return { position, false, false, {} }
end
local sets = { "completed", "failed", "delayed", "prioritized", "waiting-children" }
for at, state in ipairs(sets) do
  local score = redis.call("ZSCORE", KEYS[at + 1], ARGV[1])
  if score then
    return { position, state, state == "delayed" and score, fields }
  end
end
-- Those that wait may be a million; what is nowhere else is among them.
return { position, redis.call("LPOS", KEYS[7], ARGV[1]) and "active" or "waiting", false, fields }
