-- Keeps a job's checkpoint beside the job, so that it lives and dies with it.
-- KEYS[1] job hash   KEYS[2] its lease
-- ARGV[1] lease token   ARGV[2] checkpoint (JSON)
-- Returns 1; 0 when somebody else holds the job.
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "roadie:checkpoint", ARGV[2])
return 1
