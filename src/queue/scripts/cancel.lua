-- Asks a job to end: the wish is kept until the job has ended, so that no retry, recovery or restart
-- forgets it. It is written on the job as well: a job that is added anew under the id of an old one
-- is not meant.
-- KEYS[1] all open wishes: "<queue>:<id>" → JSON
-- ARGV[1] the queue's key, without a colon at its end   ARGV[2] queue   ARGV[3] job id
-- ARGV[4] the wish (JSON); "" only looks whether one is still open, and forgets it once it is not
-- Returns "missing", "completed", "failed", "running" or "waiting" (wherever it waits), and the wish
-- that counts: the first one, or false.
local base, id, wish = ARGV[1], ARGV[3], ARGV[4]
local wishes, key, name = KEYS[1], base .. ":" .. id, ARGV[2] .. ":" .. id
local FIELD = "roadie:cancel"
-- Nobody may be left to forget them.
local DAY_MS = 86400000
-- Other keys of a queue look like a job's.
local there = call("TYPE", key)["ok"] == "hash" and call("HEXISTS", key, "data") == 1 and not is_canary(id)
local open = call("HGET", wishes, name)
local own = there and call("HGET", key, FIELD)
local first = open and open == own and open or false

local function forget()
  if open then
    call("HDEL", wishes, name)
  end
  if own then
    call("HDEL", key, FIELD)
  end
end

local state = not there and "missing"
  or call("ZSCORE", base .. ":completed", id) and "completed"
  or call("ZSCORE", base .. ":failed", id) and "failed"
if state then
  forget()
  return { state, first }
end
if not first and wish ~= "" then
  -- A full Redis refuses a script whose first write needs memory; cancelling makes room.
  call("HDEL", wishes, "")
  call("HSET", wishes, name, wish)
  call("HSET", key, FIELD, wish)
  first = wish
elseif not first then
  forget()
end
if first then
  call("PEXPIRE", wishes, DAY_MS)
end
return { call("LPOS", base .. ":active", id) and "running" or "waiting", first }
