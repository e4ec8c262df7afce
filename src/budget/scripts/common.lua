-- What the scripts of budgets share, in front of each of them. Times are milliseconds of Redis' own clock.
-- KEYS[1] the budget of a target, a hash:
--   since                   when it was made: another one means that it was lost meanwhile
--   tat                     when the next question is due by the rate alone (GCRA)
--   took                    how long a question takes, a moving average
--   used, counted           questions of the last 24 h, and the slice of the day that this was summed up in
--   until, opened, why, row the breaker, while it is not closed: until when nothing is asked, since when,
--                           why, and how many times in a row
--   failures                in a row, while it is closed
--   probe, probe_until      the one question that is asked when that time has come
--   held, held_by, held_until  a pause that an operator has set, "" and 0 if it has no reason and no end
--   set:rate, set:burst …   what operators have set instead of what is configured
--   changed                 the last change by an operator
-- KEYS[1]:leases  questions that are under way, by when they are given up; then, for as long as their
--                 arrival counts, by when it does not any more
-- KEYS[1]:line    questions that wait, by when they came; those that somebody waits for are before all
-- KEYS[1]:due     the same, by when they were told to come again
-- KEYS[1]:day     questions by the slice of the day in which they were allowed
-- ARGV[1] what is configured: JSON   ARGV[2] the time, "" outside tests
local call = redis.call
local base = KEYS[1]
local leases, line, dues, day = base .. ":leases", base .. ":line", base .. ":due", base .. ":day"
local DAY, SLICE = 86400000, 600000
-- Before all that nobody waits for.
local AHEAD = 1e15
-- Who comes so much later than told has lost its turn.
local PATIENCE = 60000

local now = tonumber(ARGV[2])
if not now then
  local time = call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local state = {}
local kept = call("HGETALL", base)
for i = 1, #kept, 2 do
  state[kept[i]] = kept[i + 1]
end

local function number(field)
  return tonumber(state[field]) or 0
end

local function set(field, value)
  state[field] = type(value) == "number" and string.format("%.3f", value) or value
  call("HSET", base, field, state[field])
end

local function clear(...)
  for _, field in ipairs({ ... }) do
    state[field] = nil
  end
  call("HDEL", base, ...)
end

local limits = cjson.decode(ARGV[1])
for _, name in ipairs({ "rate", "burst", "concurrent", "per_day", "reserve" }) do
  limits[name] = tonumber(state["set:" .. name]) or limits[name]
end

-- A question arrives at some time between when it was allowed and when its reply came. So that no more
-- than `most` arrive in any `window`, each counts from the one until a window after the other.
local interval = limits.rate > 0 and 1000 / limits.rate or 0
local window = limits.rate > 0 and math.max(1000, interval) or 0
local most = limits.rate > 0 and math.max(1, math.floor(limits.rate * window / 1000)) or math.huge
local took = state.took and number("took") or 200
-- How often the next in line gets its turn.
local pace = math.max(1, interval, (took + window) / most)
if limits.concurrent > 0 then
  pace = math.max(pace, took / limits.concurrent)
end

-- What was asked in the last 24 h, and at most one slice before.
local slice = math.floor(now / SLICE)
if number("counted") ~= slice then
  local used, slices = 0, call("HGETALL", day)
  for i = 1, #slices, 2 do
    if (slices[i] + 1) * SLICE + DAY <= now then
      call("HDEL", day, slices[i])
    else
      used = used + slices[i + 1]
    end
  end
  set("used", used)
  set("counted", slice)
end

local function count(questions)
  call("HINCRBY", day, slice, questions)
  call("PEXPIRE", day, 2 * DAY)
  set("used", number("used") + questions)
end

-- When so many of the day's questions may be asked again.
local function freed(questions)
  local slices, kept_of_day = {}, call("HGETALL", day)
  for i = 1, #kept_of_day, 2 do
    slices[#slices + 1] = { tonumber(kept_of_day[i]), tonumber(kept_of_day[i + 1]) }
  end
  table.sort(slices, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(slices) do
    if questions <= entry[2] then
      return (entry[1] + 1) * SLICE + DAY + (questions - 1) * pace
    end
    questions = questions - entry[2]
  end
  return now + DAY + SLICE + questions * pace
end

local function tell(question, joined, after)
  call("ZADD", line, joined, question)
  call("ZADD", dues, now + after, question)
  call("PEXPIRE", line, after + DAY)
  call("PEXPIRE", dues, after + DAY)
end
