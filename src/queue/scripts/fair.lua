-- Fair turns: every user's next job comes before anybody's second one.
--
-- Waiting jobs get a turn: a place among those of their priority that is counted from the turn taken last, a
-- user's jobs one after the other (start-time fair queueing: Goyal, Vin and Cheng, 1996). The turn is their
-- score in BullMQ's `prioritized`, from where every client takes in the same order; jobs without a priority
-- come there before all others. Beside it, under `roadie:`, an index:
--   user:<user>  the user's waiting jobs by score     users    the users by their first job's score
--   user_of      the user of each of these jobs       holders  the user of each job that holds a slot
--   turns        the last turn of a user in a priority         dealt  the last that was taken there
local DEALT_AT_ONCE, LOOKED_AT = 200, 50

local function field_of(data, field)
  local readable, payload = pcall(cjson.decode, data or "")
  local value = readable and type(payload) == "table" and payload[field]
  return (type(value) == "string" or type(value) == "number") and tostring(value) or ""
end

local function fair_key(base, name)
  return base .. ":roadie:" .. name
end

-- Sets a user's place by its first job.
local function place(base, user)
  local first = call("ZRANGE", fair_key(base, "user:" .. user), 0, 0, "WITHSCORES")
  if first[1] then
    call("ZADD", fair_key(base, "users"), first[2], user)
  else
    call("ZREM", fair_key(base, "users"), user)
  end
end

local function deal(base, field, id, priority)
  local job = call("HMGET", base .. ":" .. id, "data", "ats")
  local user = field_of(job[1], field)
  local slot = priority .. ":" .. user
  local turn = tonumber(call("HGET", fair_key(base, "dealt"), priority) or 0)
  -- One that has run before had its turn, and goes on.
  if not job[2] then
    local weight = tonumber(call("HGET", fair_key(base, "weights"), user) or 1) or 1
    turn = math.max(turn, tonumber(call("HGET", fair_key(base, "turns"), slot) or 0)) + 1 / weight
    call("HSET", fair_key(base, "turns"), slot, turn)
  end
  local score = priority * PER_PRIORITY + turn
  call("ZADD", base .. ":prioritized", score, id)
  call("ZADD", fair_key(base, "user:" .. user), score, id)
  call("HSET", fair_key(base, "user_of"), id, user)
  call("ZADD", fair_key(base, "users"), "LT", score, user)
end

-- Deals turns to jobs without a priority; answers how many got one.
local function deal_waiting(base, field)
  for dealt = 0, DEALT_AT_ONCE - 1 do
    local id = call("RPOP", base .. ":wait")
    if not id then
      return dealt
    end
    deal(base, field, id, 0)
  end
  return DEALT_AT_ONCE
end

local function fair_turns(base, share, field)
  deal_waiting(base, field)
  local slots = {}
  for _, user in ipairs(call("HVALS", fair_key(base, "holders"))) do
    slots[user] = (slots[user] or 0) + 1
  end

  local function next_user()
    local users = call("ZRANGE", fair_key(base, "users"), 0, LOOKED_AT - 1)
    local most = math.max(1, math.floor(share * (call("LLEN", base .. ":active") + 1)))
    for _, user in ipairs(users) do
      if (slots[user] or 0) < most then
        return user
      end
    end
    -- Nobody else waits: no slot is idle for fairness' sake.
    return users[1]
  end

  local function take(id, user)
    call("LPUSH", base .. ":active", id)
    call("HSET", fair_key(base, "holders"), id, user)
    slots[user] = (slots[user] or 0) + 1
    return id
  end

  return function()
    local user = next_user()
    while user do
      local queue = fair_key(base, "user:" .. user)
      local first = call("ZPOPMIN", queue)
      call("HDEL", fair_key(base, "user_of"), first[1] or "")
      place(base, user)
      -- Otherwise somebody else has taken or removed it.
      if first[1] and call("ZREM", base .. ":prioritized", first[1]) == 1 then
        local priority = math.floor(tonumber(first[2]) / PER_PRIORITY)
        local turn = tonumber(first[2]) - priority * PER_PRIORITY
        if turn > tonumber(call("HGET", fair_key(base, "dealt"), priority) or 0) then
          call("HSET", fair_key(base, "dealt"), priority, turn)
        end
        return take(first[1], user)
      end
      user = next_user()
    end
    -- One that came a moment ago has no turn yet.
    local id = call("ZPOPMIN", base .. ":prioritized")[1]
    if id then
      return take(id, field_of(call("HGET", base .. ":" .. id, "data"), field))
    end
    -- Nobody waits: everybody starts anew.
    call("DEL", fair_key(base, "turns"), fair_key(base, "dealt"), base .. ":pc")
    return nil
  end
end
