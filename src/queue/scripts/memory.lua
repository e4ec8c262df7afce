-- KEYS[1] any key of the prefix: the server that holds it is the one that is asked
-- Returns what it says about its memory.
return redis.call("INFO", "memory")
