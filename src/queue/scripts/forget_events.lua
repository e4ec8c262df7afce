-- Removes events, and counts them in the same step.
-- KEYS[1] events   KEYS[2] what was counted
-- ARGV[1] seconds to keep what was counted   then the ids of the events
-- Returns how many were removed.
local removed = redis.call("XDEL", KEYS[1], unpack(ARGV, 2))
redis.call("HINCRBY", KEYS[2], "events", removed)
redis.call("EXPIRE", KEYS[2], ARGV[1])
return removed
