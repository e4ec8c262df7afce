-- Puts a job that this worker holds back among those that wait.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] "front" or "back"
-- ARGV[5] "unbegun": it was reserved and no attempt began; absent otherwise
-- Returns 1; 0 when somebody else holds the job.
local base, id = ARGV[1], ARGV[2]
if not held(base, id, ARGV[3]) or not let_go(base, id) then
  return 0
end
if is_canary(id) then
  call("DEL", base .. ":" .. id)
  return 1
end
if ARGV[5] then
  call("HINCRBY", base .. ":" .. id, "ats", -1)
end
put(base, id, tonumber(call("HGET", base .. ":" .. id, "priority")) or 0, ARGV[4] == "front")
event(base, "waiting", "jobId", id, "prev", "active")
wake(base)
return 1
