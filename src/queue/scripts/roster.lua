-- The worker processes that are there: each announces itself again and again, who is silent for too
-- long is forgotten.
-- KEYS[1] cards: name → JSON   KEYS[2] heartbeats: name → Redis' time in ms
-- ARGV[1] how long a card counts, in ms   ARGV[2] name; "" only looks   ARGV[3] card; "" takes it away
-- Returns for each process its card and the ms since its heartbeat, the longest silence first.
local cards, beats, lifetime, name = KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[2]
local now = server_ms()
if name ~= "" and ARGV[3] == "" then
  call("HDEL", cards, name)
  call("ZREM", beats, name)
elseif name ~= "" then
  -- A full Redis refuses a script whose first write needs memory.
  call("ZREM", beats, "")
  call("HSET", cards, name, ARGV[3])
  call("ZADD", beats, now, name)
  call("PEXPIRE", cards, lifetime)
  call("PEXPIRE", beats, lifetime)
end
for _, silent in ipairs(call("ZRANGEBYSCORE", beats, "-inf", now - lifetime, "LIMIT", 0, 1000)) do
  call("HDEL", cards, silent)
  call("ZREM", beats, silent)
end
local there = {}
if name == "" then
  local known = call("ZRANGE", beats, 0, -1, "WITHSCORES")
  for i = 1, #known, 2 do
    local card = call("HGET", cards, known[i])
    if card then
      there[#there + 1] = { card, math.max(0, now - tonumber(known[i + 1])) }
    end
  end
end
return there
