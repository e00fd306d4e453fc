-- Writes a value and charges a new key, in one step.
-- KEYS: the value's key, the count's. ARGV: soft and hard limit, whether they are exact, and the command with its arguments but
-- without its key; or "NOTHING" and why.
-- Gives the count with the new key (or -1), what came of it, and the number or the reason.
local soft, hard, exact = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == "1"
local charged = -1
if redis.call("EXISTS", KEYS[1]) == 0 then
  local count = redis.pcall("INCR", KEYS[2])
  if type(count) == "table" then
    return { -1, "error", count.err }
  end
  charged = count
  if exact and charged < 1 then
    -- Others have taken off more than there was.
    redis.call("SET", KEYS[2], 1)
    charged = 1
  end
  local refused
  if exact then
    refused = charged > hard
  else
    refused = charged > soft and charged >= hard
  end
  if refused then
    redis.call("DECR", KEYS[2])
    return { charged, "many", "" }
  end
end
local answer
if ARGV[4] == "NOTHING" then
  answer = { err = ARGV[5] }
else
  answer = redis.pcall(ARGV[4], KEYS[1], unpack(ARGV, 5))
end
if type(answer) == "table" and answer.err then
  if exact and charged >= 0 then
    redis.call("DECR", KEYS[2])
  end
  return { charged, "error", answer.err }
end
-- As text: numbers of scripts are not exact beyond 2^53.
return { charged, "done", type(answer) == "number" and redis.call("GET", KEYS[1]) or "" }
