-- Puts a count right, unless somebody has changed it meanwhile.
-- KEYS: the count's. ARGV: what it was (empty if it was not there), what it is to be. Gives whether it was put right.
local now = redis.pcall("GET", KEYS[1])
if type(now) == "table" then
  -- No count at all: nothing of ours adds to such a key.
  redis.call("DEL", KEYS[1])
  now = ""
elseif not now then
  now = ""
end
if now ~= ARGV[1] then
  return 0
end
redis.call("SET", KEYS[1], ARGV[2])
return 1
