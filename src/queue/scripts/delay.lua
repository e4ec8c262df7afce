-- Puts a job that this worker holds off until later.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] pause in ms
-- Returns 1; 0 when somebody else holds the job.
local base, id = ARGV[1], ARGV[2]
if not held(base, id, ARGV[3]) or not let_go(base, id) then
  return 0
end
call("HSET", base .. ":" .. id, "delay", ARGV[4])
put_delayed(base, id, server_ms() + tonumber(ARGV[4]))
return 1
