-- Keeps a job's checkpoint beside the job, so that it lives and dies with it. Crashes before it do not count
-- any more: whoever is killed now and then, but comes further each time, takes nobody down.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] checkpoint (JSON)
-- Returns 1; 0 when somebody else holds the job.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
local key = ARGV[1] .. ":" .. ARGV[2]
if call("HGET", key, "roadie:checkpoint") ~= ARGV[4] then
  call("HSET", key, "roadie:checkpoint", ARGV[4])
  call("HDEL", key, "stc")
end
return 1
