-- Decides whether a question may be asked now.
-- ARGV[3] question   ARGV[4] the permit's id   ARGV[5] "1": somebody waits for it   ARGV[6] lease in ms
-- ARGV[7], ARGV[8] `since` and `used` as the asker saw them last, or "" and 0
-- Returns since, used, changed, and: "yes", the time, its place in the line, the ms that it has waited;
-- or "no", the ms until its turn may come, and why.
local question, permit, waited_for, lease = ARGV[3], ARGV[4], ARGV[5] == "1", tonumber(ARGV[6])
if not state.since then
  set("since", now)
  -- Somebody may have asked just before it was lost.
  set("tat", now + math.max(window, 1000) + (limits.burst - 1) * interval)
end
if ARGV[7] ~= "" and ARGV[7] ~= state.since and tonumber(ARGV[8]) > number("used") then
  count(ARGV[8] - number("used"))
end

local late = call("ZRANGEBYSCORE", dues, "-inf", now - PATIENCE, "LIMIT", 0, 100)
if #late > 0 then
  call("ZREM", dues, unpack(late))
  call("ZREM", line, unpack(late))
end
call("ZREMRANGEBYSCORE", leases, "-inf", now)

local opens, why = now, "busy"
local function shut(till, reason)
  if till > opens then
    opens, why = till, reason
  end
end
if state.held and number("held_until") > 0 and number("held_until") <= now then
  clear("held", "held_by", "held_until")
end
if state.held then
  -- One without an end is looked at now and then.
  shut(number("held_until") > 0 and number("held_until") or now + 60000, "paused")
end
if state["until"] then
  shut(number("until"), state.why)
  if state.probe and number("probe_until") > now then
    shut(now + math.max(200, math.min(took, 2000)), "probing")
  end
end
local left = math.huge
if limits.per_day > 0 then
  left = limits.per_day - number("used") - (waited_for and 0 or limits.reserve)
  if left < 1 then
    shut(freed(1 - left), "quota")
  end
end

local joined = tonumber(call("ZSCORE", line, question) or nil)
local due = tonumber(call("ZSCORE", dues, question) or nil)
local its_turn = due and due <= now
local ahead
if not joined or waited_for and joined > 0 then
  joined = waited_for and now - AHEAD or now
  ahead = call("ZCOUNT", line, "-inf", string.format("%.0f", joined))
else
  ahead = call("ZRANK", line, question)
end
-- Those that are here, or should be.
local present = call("ZCOUNT", dues, "-inf", now) - (its_turn and 1 or 0)

local wait = number("tat") - (limits.burst - 1) * interval - now
local active = call("ZCARD", leases)
if active >= most then
  local first = call("ZRANGE", leases, active - most, active - most, "WITHSCORES")
  local free = first[2] - now
  wait = math.max(wait, free <= window and free or pace)
end
if limits.concurrent > 0 then
  local under_way = call("ZCOUNT", leases, string.format("%.0f", now + window + 1), "+inf")
  if under_way >= limits.concurrent then
    wait = math.max(wait, pace)
  end
end

if opens <= now and wait <= 0 and (waited_for or its_turn or present == 0) then
  call("ZREM", line, question)
  call("ZREM", dues, question)
  call("ZADD", leases, now + lease, permit)
  call("PEXPIRE", leases, lease + window)
  if limits.rate > 0 then
    set("tat", math.max(now, number("tat")) + interval)
  end
  count(1)
  if state["until"] then
    set("probe", permit)
    set("probe_until", now + lease)
  end
  local came = joined < 0 and joined + AHEAD or joined
  return { state.since, state.used, state.changed or "", "yes", tostring(now),
    string.format("%.0f", joined), tostring(now - came) }
end

-- Only those in front of one that are here delay it, once its turn has come.
local turns = its_turn and math.min(ahead, present) or ahead
local after = opens - now + turns * pace
if opens <= now then
  after = math.max(wait, turns == 0 and present > 0 and pace or 0) + turns * pace
end
if ahead >= left then
  after = math.max(after, freed(ahead + 1 - left) - now)
end
after = math.ceil(math.max(after, 1))
tell(question, string.format("%.0f", joined), after)
return { state.since, state.used, state.changed or "", "no", tostring(after), why }
