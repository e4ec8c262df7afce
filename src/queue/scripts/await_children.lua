-- Lets a job that this worker holds wait for its children.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token
-- Returns 1; 0 when somebody else holds the job. One whose children are all done waits for its turn.
local base, id = ARGV[1], ARGV[2]
local key = base .. ":" .. id
if not held(base, id, ARGV[3]) or not let_go(base, id) then
  return 0
end
call("ZADD", base .. ":waiting-children", server_ms(), id)
event(base, "waiting-children", "jobId", id, "prev", "active")
if call("SCARD", key .. ":dependencies") == 0 or call("ZCARD", key .. ":unsuccessful") > 0 then
  call("HSET", key, "delay", 0)
  release_parent(base, id, server_ms())
end
return 1
