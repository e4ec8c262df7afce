-- Publishes the progress of a job that this worker holds.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] progress (JSON)
-- Returns 1; 0 when somebody else holds the job.
local base, id = ARGV[1], ARGV[2]
if not held(base, id, ARGV[3]) then
  return 0
end
call("HSET", base .. ":" .. id, "progress", ARGV[4])
event(base, "progress", "jobId", id, "data", ARGV[4])
return 1
