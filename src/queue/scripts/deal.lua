-- Deals turns to waiting jobs of a fair queue, and looks after its index.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] payload field that names the user   ARGV[3] where the last look at jobs with a
-- priority of their own ended
-- Returns how many jobs got a turn, and where this look ended (0: at the end).
local base, field, from = ARGV[1], ARGV[2], tonumber(ARGV[3])
local dealt = deal_waiting(base, field)

-- Producers put jobs with a priority straight where the turns are, or move them there.
local looked = call("ZRANGE", base .. ":prioritized", from, from + DEALT_AT_ONCE - 1, "WITHSCORES")
for i = 1, #looked, 2 do
  local id, score = looked[i], looked[i + 1]
  local user = call("HGET", fair_key(base, "user_of"), id)
  if not user then
    deal(base, field, id, math.floor(tonumber(score) / PER_PRIORITY))
    dealt = dealt + 1
  elseif call("ZSCORE", fair_key(base, "user:" .. user), id) ~= score then
    call("ZREM", fair_key(base, "user:" .. user), id)
    place(base, user)
    deal(base, field, id, math.floor(tonumber(score) / PER_PRIORITY))
  end
end

-- Jobs that were removed while they held a slot hold none.
if call("HLEN", fair_key(base, "holders")) > call("LLEN", base .. ":active") then
  for _, id in ipairs(call("HKEYS", fair_key(base, "holders"))) do
    if call("EXISTS", base .. ":" .. id .. ":lock") == 0 then
      call("HDEL", fair_key(base, "holders"), id)
    end
  end
end
return { dealt, #looked == DEALT_AT_ONCE * 2 and from + DEALT_AT_ONCE or 0 }
