-- Keeps a job's checkpoint beside the job, so that it lives and dies with it.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] checkpoint (JSON)
-- Returns 1; 0 when somebody else holds the job.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
call("HSET", ARGV[1] .. ":" .. ARGV[2], "roadie:checkpoint", ARGV[4])
return 1
