-- Finds the answer to a question, or who asks it at the moment.
-- KEYS[1] the answer   KEYS[2] who asks   ARGV[1] asker   ARGV[2] lease in ms   ARGV[3] "1": no kept answer is wanted
-- Returns "kept" and the answer, "asked" and the ms that the lease of whoever asks has left, or "ask": it is
-- the caller's to ask.
local kept = ARGV[3] ~= "1" and redis.call("GET", KEYS[1])
if kept then
  return { "kept", kept }
end
local asker = redis.call("GET", KEYS[2])
if asker and asker ~= ARGV[1] then
  return { "asked", tostring(redis.call("PTTL", KEYS[2])) }
end
redis.call("SET", KEYS[2], ARGV[1], "PX", ARGV[2])
return { "ask", "" }
