-- Keeps an answer; those that would be dropped first anyway make room for it.
-- KEYS[1] the answer   KEYS[2] the names of all answers, by when they are dropped; beside it ":sizes", their
-- bytes, and the sum of all under "total"
-- ARGV[1] the answer's name   ARGV[2] answer   ARGV[3] lifetime in ms   ARGV[4] bytes of all at most
-- Returns whether it was kept.
local call = redis.call
local index, sizes, name, size = KEYS[2], KEYS[2] .. ":sizes", ARGV[1], #ARGV[2]
local folder = string.sub(KEYS[1], 1, -#name - 1)
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local total = tonumber(call("HGET", sizes, "total") or 0)

local function forget(dropped)
  total = total - (call("HGET", sizes, dropped) or 0)
  call("HDEL", sizes, dropped)
  call("ZREM", index, dropped)
end

if size > tonumber(ARGV[4]) then
  return 0
end
-- First what a full Redis refuses: answers are the last that it needs.
call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
for _, dropped in ipairs(call("ZRANGEBYSCORE", index, "-inf", now, "LIMIT", 0, 100)) do
  forget(dropped)
end
forget(name)
while total + size > tonumber(ARGV[4]) do
  local first = call("ZRANGE", index, 0, 0)[1]
  if not first then
    break
  end
  call("UNLINK", folder .. first)
  forget(first)
end
call("ZADD", index, now + ARGV[3], name)
call("HSET", sizes, name, size, "total", total + size)
return 1
