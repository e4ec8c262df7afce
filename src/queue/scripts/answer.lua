-- Keeps the answer to a request, unless somebody else has answered it.
-- KEYS[1] its record (see begin.lua)
-- ARGV[1] digest of the body   ARGV[2] answer   ARGV[3] lifetime of the record in ms
-- Returns the answer that counts.
local kept = redis.call("HGET", KEYS[1], "answer")
if kept then
  return kept
end
-- First what a full Redis may refuse. What add.lua noted is in the answer.
redis.call("HSET", KEYS[1], "answer", ARGV[2])
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[1], "body", ARGV[1], "answer", ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
return ARGV[2]
