-- Replaces a job's options.
-- KEYS[1] job hash   ARGV[1] options (JSON)
-- Returns 1; 0 when the job is gone.
if redis.call("EXISTS", KEYS[1]) == 0 then
  return 0
end
redis.call("HSET", KEYS[1], "opts", ARGV[1])
return 1
