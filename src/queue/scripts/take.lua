-- Takes one job, wherever it waits, under a lease.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] lease in ms   ARGV[5] taker's name
-- Returns its hash as name-value pairs; false when it does not wait.
local base, id = ARGV[1], ARGV[2]
local key = base .. ":" .. id
local found = call("ZREM", base .. ":delayed", id) + call("ZREM", base .. ":prioritized", id)
  + call("ZREM", base .. ":waiting-children", id)
if found == 0 then
  found = call("LREM", base .. ":wait", 1, id)
end
if found == 0 then
  found = call("LREM", base .. ":paused", 1, id)
end
if found == 0 then
  return false
end
call("LPUSH", base .. ":active", id)
call("SET", key .. ":lock", ARGV[3], "PX", ARGV[4])
call("HSET", key, "processedOn", server_ms(), "pb", ARGV[5])
return call("HGETALL", key)
