-- Fair turns: every user's next job comes before anybody's second one.
--
-- Waiting jobs without a priority of their own move to `prioritized` with a turn as their score, below
-- all priorities; every BullMQ client takes from there in the same order. A user's jobs get turns one
-- after the other, counted from the turn that was dealt last (start-time fair queueing: Goyal, Vin
-- and Cheng, 1996). `roadie:turns` keeps each user's last turn, `roadie:dealt` the last that was taken, and
-- `roadie:holders` who holds a slot.
local SORTED_AT_ONCE, LOOKED_AT = 200, 50

local function user_of(base, id, field)
  local data = call("HGET", base .. ":" .. id, "data")
  local readable, payload = pcall(cjson.decode, data or "")
  local user = readable and type(payload) == "table" and payload[field]
  return (type(user) == "string" or type(user) == "number") and tostring(user) or ""
end

local function weight_of(base, user)
  return tonumber(call("HGET", base .. ":roadie:weights", user) or 1) or 1
end

-- Answers how many jobs got a turn.
local function sort(base, field)
  local turns = base .. ":roadie:turns"
  local dealt = tonumber(call("GET", base .. ":roadie:dealt") or 0)
  for sorted = 0, SORTED_AT_ONCE - 1 do
    local id = call("RPOP", base .. ":wait")
    if not id then
      return sorted
    end
    local user = user_of(base, id, field)
    local turn = math.max(tonumber(call("HGET", turns, user) or 0), dealt)
      + 1 / math.max(weight_of(base, user), 0.01)
    call("HSET", turns, user, turn)
    call("ZADD", base .. ":prioritized", turn, id)
  end
  return SORTED_AT_ONCE
end

local function fair_turns(base, share, field)
  sort(base, field)
  local turns, holders = base .. ":roadie:turns", base .. ":roadie:holders"
  local slots = {}
  for _, user in ipairs(call("HVALS", holders)) do
    slots[user] = (slots[user] or 0) + 1
  end
  return function()
    local first = call("ZRANGE", base .. ":prioritized", 0, LOOKED_AT - 1, "WITHSCORES")
    if #first == 0 then
      -- Nobody waits: everybody starts anew.
      call("DEL", turns, base .. ":roadie:dealt", base .. ":pc")
      return nil
    end
    local busy = call("LLEN", base .. ":active")
    local chosen, user = 1, nil
    for i = 1, #first, 2 do
      local candidate = user_of(base, first[i], field)
      user = user or candidate
      if (slots[candidate] or 0) + 1 <= math.max(1, math.floor(share * (busy + 1))) then
        chosen, user = i, candidate
        break
      end
    end
    local id, turn = first[chosen], tonumber(first[chosen + 1])
    call("ZREM", base .. ":prioritized", id)
    call("LPUSH", base .. ":active", id)
    if chosen == 1 and turn < PER_PRIORITY then
      call("SET", base .. ":roadie:dealt", turn)
    end
    call("HSET", holders, id, user)
    slots[user] = (slots[user] or 0) + 1
    return id
  end
end
