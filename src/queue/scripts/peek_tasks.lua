-- Reads the tasks of an apalis-redis queue that nobody has taken, and leaves them where they are.
-- KEYS[1] apalis' list of tasks that its own workers gave back   KEYS[2] all others, by the second
-- in which they are due   KEYS[3] arguments by task id
-- ARGV[1] prefix of the keys of metadata   ARGV[2] tasks at most
-- ARGV[3] bytes of arguments at most (but one task always)
-- Returns an entry a task: {id, due or false, arguments or false, {field, value, ...}}.
local most, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local tasks = {}

local function read(id, due)
  room = room - redis.call("HSTRLEN", KEYS[3], id)
  if room < 0 and #tasks > 0 then
    return false
  end
  local meta = redis.pcall("HGETALL", ARGV[1] .. id)
  tasks[#tasks + 1] = {id, due, redis.call("HGET", KEYS[3], id), meta.err and {} or meta}
  return true
end

local given_back = redis.call("LRANGE", KEYS[1], 0, most - 1)
for _, id in ipairs(given_back) do
  if not read(id, false) then
    return tasks
  end
end
if #given_back < most then
  local scheduled = redis.call("ZRANGE", KEYS[2], 0, most - #given_back - 1, "WITHSCORES")
  for i = 1, #scheduled, 2 do
    if not read(scheduled[i], scheduled[i + 1]) then
      return tasks
    end
  end
end
return tasks
