-- Notes a failed attempt on a job that this worker holds, without moving the job.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] attempts to add to `atm`
-- ARGV[5] failedReason   ARGV[6] stack trace   ARGV[7] stack traces to keep
-- ARGV[8] timeline entry (JSON, one line)
-- Returns the timeline, one entry a line; false when somebody else holds the job.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return false
end
local key = ARGV[1] .. ":" .. ARGV[2]
-- First: a full Redis refuses a script whose first write needs memory, and the job could never end.
call("SREM", ARGV[1] .. ":stalled", "")
local kept = call("HMGET", key, "stacktrace", "roadie:timeline")
if kept[2] and string.find(kept[2], ARGV[8], 1, true) then
  -- Noted before: the answer was lost on its way.
  return kept[2]
end
if ARGV[4] ~= "0" then
  call("HINCRBY", key, "atm", ARGV[4])
end
local readable, traces = pcall(cjson.decode, kept[1] or "[]")
if not readable or type(traces) ~= "table" then
  traces = {}
end
table.insert(traces, ARGV[6])
while #traces > tonumber(ARGV[7]) do
  table.remove(traces, 1)
end
local timeline = kept[2] and (kept[2] .. "\n" .. ARGV[8]) or ARGV[8]
call("HSET", key, "failedReason", ARGV[5], "stacktrace", cjson.encode(traces), "roadie:timeline",
  timeline)
return timeline
