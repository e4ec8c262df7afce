-- Moves tasks of an apalis-redis queue into a BullMQ queue: each becomes a job and leaves apalis' lists
-- in this one step. A task that has left them meanwhile is somebody else's and stays untouched; one
-- that was moved before, or whose job exists, leaves them without becoming a job again.
-- KEYS[1] apalis' list of tasks that its own workers gave back   KEYS[2] all others, by due second
-- KEYS[3] agenda of moved tasks, by when to look after them (settle_tasks.lua)   KEYS[4] meta
-- ARGV[1] base   ARGV[2] prefix of the keys of metadata   ARGV[3] queue   ARGV[4] kind
-- ARGV[5] now (ms)   ARGV[6] length of apalis' list that was read, then for each task nine values:
--   task id, job id, payload or "" for a task without arguments, options (JSON), priority,
--   added at (ms), due at (ms), attempts made, status when its job is gone unseen
-- Returns how many became jobs, how many had before, and how many had no arguments.
local base, kind, now = ARGV[1], ARGV[4], tonumber(ARGV[5])

-- Only looked for where it was read: anywhere else it costs a walk through the whole backlog.
local given_back = {}
if ARGV[6] ~= "0" then
  for _, task in ipairs(call("LRANGE", KEYS[1], 0, tonumber(ARGV[6]) - 1)) do
    given_back[task] = true
  end
end

local function add(id, payload, options, priority, added, due, attempts)
  local late = due > now
  -- First what can be refused, by a full Redis or because of a key of a wrong type.
  if late then
    put_delayed(base, id, due)
  else
    put(base, id, priority, false)
  end
  call("HSET", base .. ":" .. id, "name", kind, "data", payload, "opts", options,
    "timestamp", added, "delay", late and due - added or 0, "priority", priority)
  if attempts ~= "0" then
    call("HSET", base .. ":" .. id, "atm", attempts)
  end
  event(base, "added", "jobId", id, "name", kind)
  if not late then
    event(base, "waiting", "jobId", id)
  end
end

local moved, known, empty = 0, 0, 0
for i = 7, #ARGV, 9 do
  local task, id, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if given_back[task] or call("ZSCORE", KEYS[2], task) then
    local books, due = ARGV[2] .. task, tonumber(ARGV[i + 6])
    if redis.pcall("HEXISTS", books, "roadie_job") == 1 then
      known = known + 1
    elseif payload == "" then
      empty = empty + 1
    else
      if call("EXISTS", base .. ":" .. id) == 1 then
        known = known + 1
        event(base, "duplicated", "jobId", id)
      else
        moved = moved + 1
        add(id, payload, ARGV[i + 3], tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), due, ARGV[i + 7])
      end
      due = math.max(due, now)
      call("ZADD", KEYS[3], due + 1000, task)
      redis.pcall("HSET", books, "status", "Queued", "roadie_queue", ARGV[3], "roadie_job", id,
        "roadie_due", due, "roadie_gone", ARGV[i + 8])
    end
    if given_back[task] then
      call("LREM", KEYS[1], 1, task)
    else
      call("ZREM", KEYS[2], task)
    end
  end
end
if moved > 0 then
  wake(base)
end
return { moved, known, empty }
