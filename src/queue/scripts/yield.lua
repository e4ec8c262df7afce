-- Lets go of a request that could not be answered, so that it can be repeated at once. What was added
-- for it stays noted.
-- KEYS[1] its record (see begin.lua)   ARGV[1] holder
-- Returns 1; 0 when somebody else holds it.
if redis.call("HGET", KEYS[1], "holder") ~= ARGV[1] then
  return 0
end
redis.call("HDEL", KEYS[1], "holder", "until")
if redis.call("HLEN", KEYS[1]) == 1 then
  redis.call("DEL", KEYS[1])
end
return 1
