-- Weighs a queue's stream of events.
-- KEYS[1] events
-- Returns its bytes, and when its first and its last event were (Unix ms); nothing when there is none.
local first = redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", 1)[1]
if not first then
  return {}
end
local last = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1]
local function time(event)
  return tonumber(string.match(event[1], "^%d+"))
end
return { redis.call("MEMORY", "USAGE", KEYS[1]), time(first), time(last) }
