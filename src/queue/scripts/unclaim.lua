-- Gives a fleet-wide name back, if it is still the caller's.
-- KEYS[1] the name's key   ARGV[1] holder (queue/id)
-- Returns the number of keys removed.
if redis.call("GET", KEYS[1]) == ARGV[1] then
  return redis.call("DEL", KEYS[1])
end
return 0
