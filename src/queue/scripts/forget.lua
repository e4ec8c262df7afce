-- Removes jobs of one user, wherever they wait or have ended, with all that hangs on them. Of those that
-- run it is wished that they end (see cancel.lua). Each is counted once, however often it is met.
-- KEYS[1] all open wishes   KEYS[2] what was counted: "job:<queue>:<id>" → 1
-- ARGV[1] base   ARGV[2] queue   ARGV[3] the wish (JSON)   ARGV[4] seconds to keep what was counted
-- ARGV[5] the user   then id and payload of each job, as they were read
-- Returns how many were removed, and how many run.
local base, queue, wish, user = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local DAY_MS = 86400000
local now, removed, running = server_ms(), 0, 0

local function ask_to_end(id, name)
  running = running + 1
  if not call("HGET", KEYS[1], name) then
    call("HSET", KEYS[1], name, wish)
    call("HSET", base .. ":" .. id, "roadie:cancel", wish)
  end
  call("PEXPIRE", KEYS[1], DAY_MS)
end

-- What keeps others from adding the same again, and the one that would have come after it.
local function end_deduplication(dedup, id)
  if dedup and call("GET", base .. ":de:" .. dedup) == id then
    call("DEL", base .. ":de:" .. dedup, base .. ":dn:" .. dedup)
  end
end

for i = 6, #ARGV, 2 do
  local id = ARGV[i]
  local key, name = base .. ":" .. id, queue .. ":" .. id
  local job = call("HMGET", key, "data", "deid")
  -- One that was added anew under its id may be somebody else's.
  if job[1] == ARGV[i + 1] then
    call("HSET", KEYS[2], "job:" .. name, 1)
    if call("LPOS", base .. ":active", id) then
      ask_to_end(id, name)
    else
      local found = 0
      for _, set in ipairs({ "completed", "failed", "delayed", "prioritized", "waiting-children" }) do
        found = found + call("ZREM", base .. ":" .. set, id)
      end
      if found == 0 and call("LREM", base .. ":wait", 1, id) == 0 then
        call("LREM", base .. ":paused", 1, id)
      end
      end_deduplication(job[2], id)
      call("ZREM", base .. ":roadie:user:" .. user, id)
      call("HDEL", base .. ":roadie:user_of", id)
      call("HDEL", KEYS[1], name)
      call("UNLINK", key .. ":lock")
      remove(base, id, now)
      removed = removed + 1
    end
  end
end
call("EXPIRE", KEYS[2], ARGV[4])
return { removed, running }
