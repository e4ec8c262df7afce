-- Weighs a sample of the finished jobs of a queue, evenly spread from the oldest to the newest.
-- KEYS[1] completed or failed   KEYS[2] what the queue's keys begin with
-- ARGV[1] jobs to weigh at most
-- Returns how many jobs there are, the bytes of the set itself, then of each weighed job when it ended
-- (Unix ms) and its bytes.
local jobs = redis.call("ZCARD", KEYS[1])
local reply = { jobs, bytes_of(KEYS[1]) }
local samples = math.min(jobs, tonumber(ARGV[1]))
for i = 0, samples - 1 do
  local rank = math.floor((i + 0.5) * jobs / samples)
  local job = redis.call("ZRANGE", KEYS[1], rank, rank, "WITHSCORES")
  reply[#reply + 1] = math.floor(tonumber(job[2]))
  reply[#reply + 1] = bytes_of(job_keys(KEYS[2], job[1]))
end
return reply
