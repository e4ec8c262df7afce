-- Adds the next job of a schedule when its present one starts; once, whoever starts it how often.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] schedule id   ARGV[3] this firing in ms   ARGV[4] the next one in ms
-- ARGV[5] options of the next job (JSON)   ARGV[6] payload, where the schedule has none   ARGV[7] kind
-- ARGV[8] priority
-- Returns the id of the next job; false when the schedule is gone or goes on from another job.
local base, schedule, due = ARGV[1], ARGV[2], ARGV[4]
local now = server_ms()
local book = base .. ":repeat"
if tonumber(call("ZSCORE", book, schedule) or -1) ~= tonumber(ARGV[3]) then
  return false
end
local id = "repeat:" .. schedule .. ":" .. due
local key = base .. ":" .. id
if call("EXISTS", key) == 1 then
  event(base, "duplicated", "jobId", id)
  return false
end
local entry = book .. ":" .. schedule
local template = call("HMGET", entry, "name", "data")
local delay, priority = math.max(0, tonumber(due) - now), tonumber(ARGV[8])
call("ZADD", book, due, schedule)
call("HINCRBY", entry, "ic", 1)
call("INCR", base .. ":id")
call("HSET", key, "name", template[1] or ARGV[7], "data", template[2] or ARGV[6], "opts", ARGV[5],
  "timestamp", now, "delay", delay, "priority", priority, "rjk", schedule)
event(base, "added", "jobId", id, "name", template[1] or ARGV[7])
if delay > 0 then
  put_delayed(base, id, now + delay)
else
  put(base, id, priority, false)
  event(base, "waiting", "jobId", id)
  wake(base)
end
return id
