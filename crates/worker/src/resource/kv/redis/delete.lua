-- Removes a value and takes it off the count, in one step.
-- KEYS: the value's key, the count's. ARGV: whether counts are exact. Gives whether it was there.
if redis.call("DEL", KEYS[1]) == 0 then
  return 0
end
local count = redis.pcall("DECR", KEYS[2])
if ARGV[1] == "1" and type(count) == "number" and count < 0 then
  redis.call("SET", KEYS[2], 0)
end
return 1
