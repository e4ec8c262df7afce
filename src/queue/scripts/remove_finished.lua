-- Removes finished jobs with everything that belongs to them.
-- KEYS[1] completed or failed   KEYS[2] what the queue's keys begin with
-- ARGV[1] bytes that are enough; empty: all jobs go, and none is weighed   then id and end (Unix ms) of each job, as they were listed
-- Returns how many of the given were looked at, how many were removed, and their bytes.
local enough = tonumber(ARGV[1])
local looked, removed, bytes = 0, 0, 0
for i = 2, #ARGV, 2 do
  if enough and bytes >= enough then
    break
  end
  looked = looked + 1
  -- One that was retried since is not that job any more.
  local ended = redis.call("ZSCORE", KEYS[1], ARGV[i])
  if ended and tonumber(ended) == tonumber(ARGV[i + 1]) then
    if enough then
      bytes = bytes + bytes_of(job_keys(KEYS[2], ARGV[i]))
    end
    redis.call("ZREM", KEYS[1], ARGV[i])
    redis.call("UNLINK", job_keys(KEYS[2], ARGV[i]))
    removed = removed + 1
  end
end
return { looked, removed, bytes }
