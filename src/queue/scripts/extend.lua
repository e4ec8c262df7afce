-- Renews a lease.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] lease in ms
-- Returns 1; 0 when somebody else holds the job.
local base, id = ARGV[1], ARGV[2]
if not held(base, id, ARGV[3]) then
  return 0
end
call("SET", base .. ":" .. id .. ":lock", ARGV[3], "PX", ARGV[4])
call("SREM", base .. ":stalled", id)
return 1
