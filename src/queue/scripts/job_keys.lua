-- Before other scripts: everything that Redis keeps of a job, and how much memory that is.
local function job_keys(base, id)
  local key = base .. id
  return key, key .. ":lock", key .. ":logs", key .. ":dependencies", key .. ":processed",
    key .. ":failed", key .. ":unsuccessful"
end
local function bytes_of(...)
  local sum = 0
  for _, key in ipairs({ ... }) do
    -- Redis' own five samples would miss the one field of a job that is heavy, in one of six servers.
    sum = sum + (redis.call("MEMORY", "USAGE", key, "SAMPLES", 64) or 0)
  end
  return sum
end
