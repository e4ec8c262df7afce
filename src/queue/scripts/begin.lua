-- Begins a request that must be answered once, or tells what became of it.
-- KEYS[1] its record: body, holder and until (while it runs), what add.lua notes, answer (in the end)
-- ARGV[1] digest of the body   ARGV[2] holder   ARGV[3] lease in ms   ARGV[4] lifetime of the record in ms
-- Returns "begun", "other" (the key belongs to another body), "running" and the ms that its lease has
-- left, or "answered" and the answer.
local kept = redis.call("HMGET", KEYS[1], "body", "holder", "until", "answer")
if kept[1] and kept[1] ~= ARGV[1] then
  return { "other" }
end
if kept[4] then
  return { "answered", kept[4] }
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if kept[2] and tonumber(kept[3]) > now then
  return { "running", tostring(tonumber(kept[3]) - now) }
end
redis.call("HSET", KEYS[1], "body", ARGV[1], "holder", ARGV[2], "until", now + ARGV[3])
redis.call("PEXPIRE", KEYS[1], ARGV[4])
return { "begun" }
