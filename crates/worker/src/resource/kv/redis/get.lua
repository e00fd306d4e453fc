-- Reads a value that is not too long.
-- KEYS: the value's. ARGV: the most bytes. Gives what it is, and the value or the reason.
local length = redis.pcall("STRLEN", KEYS[1])
if type(length) == "table" then
  return { "error", length.err }
end
if length > tonumber(ARGV[1]) then
  return { "long", tostring(length) }
end
local value = redis.call("GET", KEYS[1])
if not value then
  return { "none", "" }
end
return { "some", value }
