-- Returns how a budget stands: JSON.
call("ZREMRANGEBYSCORE", leases, "-inf", now)
local held = state.held and (number("held_until") == 0 or number("held_until") > now)
local tokens = limits.burst
if limits.rate > 0 and state.tat then
  tokens = math.max(0, math.min(limits.burst, limits.burst - math.ceil((number("tat") - now) / interval)))
end
local breaker = "closed"
if state["until"] then
  breaker = number("until") > now and "open" or "half-open"
end
local own = {}
for name, value in pairs(state) do
  if string.sub(name, 1, 4) == "set:" then
    own[string.sub(name, 5)] = tonumber(value)
  end
end
local shown = {
  rate = limits.rate, burst = limits.burst, concurrent = limits.concurrent, per_day = limits.per_day,
  reserve = limits.reserve, tokens = (held or breaker ~= "closed") and 0 or tokens,
  used = number("used"), breaker = breaker, failures = number("failures"),
  waiting = call("ZCARD", line), changed = state.changed,
  under_way = call("ZCOUNT", leases, string.format("%.0f", now + window + 1), "+inf"),
}
if next(own) then
  shown.own = own
end
if breaker ~= "closed" then
  shown.why, shown["until"] = state.why, math.floor(number("until"))
end
if held then
  shown.held, shown.held_by = state.held, state.held_by
  shown.held_until = number("held_until") > 0 and math.floor(number("held_until")) or nil
end
return cjson.encode(shown)
