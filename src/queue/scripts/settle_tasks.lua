-- Looks after tasks of an apalis-redis queue that were moved: tells apalis' books how their jobs ended,
-- and takes them out of the books when that has been there for long enough.
-- KEYS[1] agenda of moved tasks, by when to look after them   KEYS[2] arguments by task id
-- KEYS[3] meta
-- ARGV[1] base   ARGV[2] prefix of the keys of metadata   ARGV[3] now (ms)
-- ARGV[4] how long to keep them (ms)   ARGV[5] tasks at most
-- Returns how many of them the books are done with: whose jobs had ended, or that were taken out.
local base, now = ARGV[1], tonumber(ARGV[3])

-- The status and the result that apalis' own worker would have written; nothing while the job lives.
local function outcome(id, gone)
  local job = call("HMGET", base .. ":" .. id, "name", "finishedOn", "returnvalue", "failedReason", "atm")
  if job[1] and not job[2] then
    return nil
  elseif call("ZSCORE", base .. ":completed", id) then
    return "Done", '{"Ok":' .. (job[3] or "null") .. "}", job[5]
  elseif call("ZSCORE", base .. ":failed", id) then
    return "Failed", '{"Err":' .. cjson.encode(job[4] or "") .. "}", job[5]
  elseif job[1] then
    return nil
  elseif gone == "Done" then
    return "Done", '{"Ok":null}'
  end
  local reason = "job " .. id .. " was removed from its queue before anybody saw how it ended"
  return "Failed", '{"Err":' .. cjson.encode(reason) .. "}"
end

-- A full Redis refuses a script whose first write needs memory; this one makes room.
call("HDEL", KEYS[3], "roadie:none")
local done = 0
for _, task in ipairs(call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[5])) do
  local books = ARGV[2] .. task
  local known = redis.pcall("HMGET", books, "status", "roadie_job", "roadie_due", "roadie_gone")
  if known.err or not known[2] then
    -- Somebody else has cleared the books.
    done = done + 1
    call("ZREM", KEYS[1], task)
  elseif known[1] ~= "Queued" then
    done = done + 1
    call("UNLINK", books)
    call("HDEL", KEYS[2], task)
    call("ZREM", KEYS[1], task)
  else
    local status, result, attempts = outcome(known[2], known[4])
    if status then
      done = done + 1
      call("HSET", books, "status", status, "result", result, "attempts", attempts or 1,
        "done_at", math.floor(now / 1000))
      call("ZADD", KEYS[1], now + ARGV[4], task)
    else
      -- Soon for one that is young, once a minute for one that takes long.
      local age = now - (tonumber(known[3]) or now)
      call("ZADD", KEYS[1], now + math.max(1000, math.min(60000, age / 2)), task)
    end
  end
end
return done
