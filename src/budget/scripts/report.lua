-- Takes in what became of a question that was allowed.
-- ARGV[3] question   ARGV[4] the permit's id   ARGV[5] "answered", "limited", "exhausted", "refused", "failing" or
-- "abandoned"   ARGV[6] the ms that the service wants to be left alone, or ""   ARGV[7] when it was allowed
-- ARGV[8] its place in the line   ARGV[9] the ms that it took
-- Returns "closed" or "open"; 1 if that is new, else 0; if it is open: the ms until this question's turn, and why.
local question, permit, result = ARGV[3], ARGV[4], ARGV[5]
local asked, allowed = tonumber(ARGV[6]), tonumber(ARGV[7])
local LONGEST = { limited = 900000, failing = 600000 }
local FIRST = { limited = 2000, failing = 5000 }
local HOUR = 3600000

if window > 0 then
  call("ZADD", leases, "XX", now + window, permit)
else
  call("ZREM", leases, permit)
end
local probe = state.probe == permit
if probe then
  clear("probe", "probe_until")
end
if result == "abandoned" then
  return { "closed", 0, 0, "" }
end
if result == "answered" then
  set("took", 0.8 * took + 0.2 * ARGV[9])
  local open = state["until"]
  if not open and state.failures then
    clear("failures")
  end
  if probe and open then
    clear("until", "opened", "why", "row", "failures")
    return { "closed", 1, 0, "" }
  end
  return { "closed", 0, 0, "" }
end

if result == "failing" and not probe and not state["until"] then
  set("failures", number("failures") + 1)
  if number("failures") < limits.trip_after then
    return { "closed", 0, 0, "" }
  end
end
-- Of what was asked before the breaker opened, only a longer pause is news.
local news = probe or not state["until"] or allowed >= number("opened")
local pause = asked and math.min(math.max(asked, 1000), DAY)
if not pause and news then
  if result == "exhausted" then
    pause = DAY - now % DAY + 1000
  elseif result == "refused" then
    pause = HOUR
  else
    pause = math.min(FIRST[result] * 2 ^ math.min(number("row"), 20), LONGEST[result])
  end
end
if pause then
  set("until", math.max(number("until"), now + pause))
end
if news then
  set("why", result)
  set("row", number("row") + 1)
  set("opened", now)
end
local ahead = call("ZCOUNT", line, "-inf", "(" .. ARGV[8])
local after = math.ceil(math.max(number("until") - now, 1) + ahead * pace)
tell(question, ARGV[8], after)
return { "open", news and 1 or 0, after, state.why }
