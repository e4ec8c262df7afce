-- Deals turns to waiting jobs of a fair queue.
-- KEYS[1] meta
-- ARGV[1] base   ARGV[2] payload field that names the user
-- Returns how many got one.
return sort(ARGV[1], ARGV[2])
