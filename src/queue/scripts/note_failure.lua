-- Notes a failed attempt on a job that this worker holds, without moving the job.
-- KEYS[1] job hash   KEYS[2] its lease
-- ARGV[1] lease token       ARGV[2] attempts to add to `atm`   ARGV[3] failedReason
-- ARGV[4] stack trace       ARGV[5] stack traces to keep       ARGV[6] timeline entry (JSON, one line)
-- Returns the timeline, one entry a line; false when somebody else holds the job.
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return false
end
local kept = redis.call("HMGET", KEYS[1], "stacktrace", "roadie:timeline")
if kept[2] and string.find(kept[2], ARGV[6], 1, true) then
  -- Noted before: the answer was lost on its way.
  return kept[2]
end
if ARGV[2] ~= "0" then
  redis.call("HINCRBY", KEYS[1], "atm", ARGV[2])
end
local readable, traces = pcall(cjson.decode, kept[1] or "[]")
if not readable or type(traces) ~= "table" then
  traces = {}
end
table.insert(traces, ARGV[4])
while #traces > tonumber(ARGV[5]) do
  table.remove(traces, 1)
end
local timeline = kept[2] and (kept[2] .. "\n" .. ARGV[6]) or ARGV[6]
redis.call("HSET", KEYS[1], "failedReason", ARGV[3], "stacktrace", cjson.encode(traces),
  "roadie:timeline", timeline)
return timeline
