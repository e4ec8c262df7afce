-- Lists finished jobs that may be removed, the oldest first. Not among them: a job whose producer said
-- what to keep, and one whose flow parent has not ended yet.
-- KEYS[1] completed or failed   KEYS[2] what the queue's keys begin with
-- ARGV[1] rank to begin at   ARGV[2] rank to end before   ARGV[3] jobs to look at at most
-- ARGV[4] the option with which a producer says what to keep; empty: whatever it said
-- Returns the rank to go on at, then id and end (Unix ms) of each job.
local read = 0
local function said(options)
  if ARGV[4] == "" or not options or not string.find(options, ARGV[4], 1, true) then
    return false
  end
  local readable, decoded = pcall(cjson.decode, options)
  return readable and type(decoded) == "table" and decoded[ARGV[4]] ~= nil
    and decoded[ARGV[4]] ~= cjson.null
end
local function needed(parent)
  return parent and parent ~= "" and redis.call("EXISTS", parent) == 1
    and redis.call("HEXISTS", parent, "finishedOn") == 0
end
local from = tonumber(ARGV[1])
local last = math.min(tonumber(ARGV[2]), from + tonumber(ARGV[3])) - 1
local reply = { from }
if last < from then
  return reply
end
local jobs = redis.call("ZRANGE", KEYS[1], from, last, "WITHSCORES")
for i = 1, #jobs, 2 do
  -- Options can be long, and so would this script run.
  if read > 500000 then
    break
  end
  local facts = redis.call("HMGET", KEYS[2] .. jobs[i], "opts", "parentKey")
  read = read + #(facts[1] or "")
  if not said(facts[1]) and not needed(facts[2]) then
    reply[#reply + 1] = jobs[i]
    reply[#reply + 1] = jobs[i + 1]
  end
  reply[1] = reply[1] + 1
end
return reply
