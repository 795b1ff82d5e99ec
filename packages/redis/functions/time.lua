-- Numbers and time, as all functions use them.
--
-- Lua's numbers are doubles, and its own conversion to text keeps 14 digits: an epoch has 16. So whatever may be large
-- is written by `whole`. Text is never compared by `<`, which follows the server's locale.

--- The text of a whole number, all its digits.
local function whole(number)
  return string.format('%.0f', number)
end

--- Milliseconds since 1970: the server's clock if 0 is given, as in production, else what the caller says.
local function now_ms(given)
  local ms = tonumber(given)
  if ms > 0 then return ms end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

--- Makes a function callable from outside, under a name that only this version of the library has.
local function register(name, callback, flags)
  redis.register_function({ function_name = prefix .. name, callback = callback, flags = flags or {} })
end
