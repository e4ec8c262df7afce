-- Looks at some of the active jobs; those without a lease wait again.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] jobs to look at   ARGV[3] crashes that make a job a dead letter
-- ARGV[4] "front" or "back": where among those that wait
-- Returns the ids of jobs that wait again, those of jobs that will be failed by whoever takes them, and how
-- many jobs wait now.
local base, most = ARGV[1], tonumber(ARGV[3])
local waiting, doomed = {}, {}
-- First: a full Redis refuses a script whose first write needs memory.
call("SREM", base .. ":stalled", "")
for _ = 1, tonumber(ARGV[2]) do
  -- From the list's end to its front, whose order means nothing: taking one out there costs nothing.
  local id = call("RPOPLPUSH", base .. ":active", base .. ":active")
  if not id then
    break
  end
  local key = base .. ":" .. id
  if call("EXISTS", key .. ":lock") == 0 then
    call("LREM", base .. ":active", 1, id)
    call("HDEL", base .. ":roadie:holders", id)
    call("SREM", base .. ":stalled", id)
    call("HDEL", key, "pb")
    local priority = call("HMGET", key, "priority", "name")
    if is_canary(id) then
      call("DEL", key)
    elseif priority[2] then
      local crashes = call("HINCRBY", key, "stc", 1)
      if crashes >= most then
        call("HSET", key, "defa", "job stalled more than allowable limit")
        doomed[#doomed + 1] = id
      else
        waiting[#waiting + 1] = id
      end
      put(base, id, tonumber(priority[1]) or 0, ARGV[4] == "front")
      event(base, "waiting", "jobId", id, "prev", "active")
      event(base, "stalled", "jobId", id)
    end
  end
end
if #waiting + #doomed > 0 then
  wake(base)
end
return { waiting, doomed, call("LLEN", base .. ":wait") }
