-- Takes or renews a fleet-wide name for a job.
-- KEYS[1] the name's key   ARGV[1] holder (queue/id)   ARGV[2] lifetime in ms
-- Returns the holder: the caller's own value when it holds the name now.
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then
  return holder
end
-- A full Redis lets a claim live on, but none be made.
if holder then
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
else
  redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
end
return ARGV[1]
