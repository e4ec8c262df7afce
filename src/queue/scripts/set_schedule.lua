-- Writes a schedule into the queue's book, and its next firing among the delayed jobs.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] schedule id   ARGV[3] its firing as the caller saw it in ms; empty: none
-- ARGV[4] the next firing in ms; empty: only the book is written
-- ARGV[5] options of its job (JSON)   ARGV[6] kind   ARGV[7] payload (JSON)   ARGV[8] priority
-- then names and values of the book's entry
-- Returns "done"; "changed" when somebody else has changed it since; "taken" when there is, or was, a job
-- for that firing already.
local base, schedule, seen, due = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local book = base .. ":repeat"
local entry = book .. ":" .. schedule
if tonumber(call("ZSCORE", book, schedule) or nil) ~= tonumber(seen) then
  return "changed"
end
local fields = {}
for i = 9, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local function write_entry()
  call("DEL", entry)
  call("HSET", entry, unpack(fields))
end
if due == "" then
  -- First something that a full Redis refuses.
  call("HSET", entry, unpack(fields))
  write_entry()
  return "done"
end
local old, new = "repeat:" .. schedule .. ":" .. seen, "repeat:" .. schedule .. ":" .. due
local waits = seen ~= "" and call("ZSCORE", base .. ":delayed", old)
if call("EXISTS", base .. ":" .. new) == 1 and not (waits and old == new) then
  return "taken"
end
local now = server_ms()
local delay = math.max(0, tonumber(due) - now)
call("HSET", base .. ":" .. new, "name", ARGV[6], "data", ARGV[7], "opts", ARGV[5], "timestamp", now,
  "delay", delay, "priority", ARGV[8], "rjk", schedule)
call("ZADD", book, due, schedule)
write_entry()
if waits and old == new then
  return "done"
end
if waits then
  call("ZREM", base .. ":delayed", old)
  call("UNLINK", base .. ":" .. old, base .. ":" .. old .. ":logs")
  event(base, "removed", "jobId", old, "prev", "delayed")
end
call("INCR", base .. ":id")
event(base, "added", "jobId", new, "name", ARGV[6])
put_delayed(base, new, tonumber(due))
return "done"
