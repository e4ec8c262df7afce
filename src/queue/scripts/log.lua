-- Adds a line to the log of a job that this worker holds.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] job id   ARGV[3] lease token   ARGV[4] line   ARGV[5] lines to keep; 0: all
-- Returns 1; 0 when somebody else holds the job.
local base, id = ARGV[1], ARGV[2]
if not held(base, id, ARGV[3]) then
  return 0
end
local logs = base .. ":" .. id .. ":logs"
call("RPUSH", logs, ARGV[4])
if ARGV[5] ~= "0" then
  call("LTRIM", logs, -tonumber(ARGV[5]), -1)
end
return 1
