-- Puts a job that this worker holds back among those that wait, in front of the others or behind them.
-- The stock scripts forget `lifo` at a retry, and do not know how BullMQ 5 pauses a queue.
-- KEYS[1] job hash   KEYS[2] its lease   KEYS[3] active   KEYS[4] wait   KEYS[5] paused
-- KEYS[6] prioritized   KEYS[7] priority counter   KEYS[8] meta   KEYS[9] marker
-- KEYS[10] stalled   KEYS[11] events
-- ARGV[1] lease token   ARGV[2] job id   ARGV[3] "front" or "back"
-- Returns 1; 0 when somebody else holds the job.
if redis.call("GET", KEYS[2]) ~= ARGV[1] or redis.call("LREM", KEYS[3], -1, ARGV[2]) < 1 then
  return 0
end
redis.call("DEL", KEYS[2])
redis.call("SREM", KEYS[10], ARGV[2])
local meta = redis.call("HMGET", KEYS[8], "paused", "concurrency", "opts.maxLenEvents")
local front = ARGV[3] == "front"
local priority = tonumber(redis.call("HGET", KEYS[1], "priority")) or 0
if priority > 0 then
  local turn = front and 0 or redis.call("INCR", KEYS[7]) % 0x100000000
  redis.call("ZADD", KEYS[6], priority * 0x100000000 + turn, ARGV[2])
else
  local list = KEYS[4]
  -- A BullMQ 5 client has renamed `wait`, and will rename it back over what is there by then.
  if meta[1] and redis.call("EXISTS", KEYS[5]) == 1 then
    list = KEYS[5]
  end
  redis.call(front and "RPUSH" or "LPUSH", list, ARGV[2])
end
local full = meta[2] and redis.call("LLEN", KEYS[3]) >= tonumber(meta[2])
if not meta[1] and not full then
  redis.call("ZADD", KEYS[9], 0, "0")
end
redis.call("XADD", KEYS[11], "MAXLEN", "~", meta[3] or 10000, "*",
  "event", "waiting", "jobId", ARGV[2], "prev", "active")
return 1
