-- BullMQ 5 clients pause a queue by renaming `wait` to `paused`, and resume it by renaming it back
-- over whatever is in `wait` by then: jobs that became due meanwhile would be gone.
-- Moves those to where a BullMQ 5 client keeps the others.
-- KEYS[1] meta   KEYS[2] wait   KEYS[3] paused
-- Returns whether the queue is paused: 1 or 0.
if redis.call("HEXISTS", KEYS[1], "paused") == 0 then
  return 0
end
if redis.call("EXISTS", KEYS[3]) == 1 then
  local moved = 0
  while moved < 1000 and redis.call("RPOPLPUSH", KEYS[2], KEYS[3]) do
    moved = moved + 1
  end
end
return 1
