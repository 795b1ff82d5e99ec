-- Numbers and time, as all functions use them.
--
-- Lua's numbers are doubles, and its own conversion to text keeps 14 digits: an epoch has 16. So whatever may be large
-- is written by `whole`. Text is never compared by `<`, which follows the server's locale.

--- The text of a whole number, all its digits.
local function whole(number)
  return string.format('%.0f', number)
end

--- How old a call may be, in milliseconds. A node that is found dead has been silent for longer.
local stale_ms = 5000

--- rule: STALE. The time in milliseconds since 1970, by what a call is given. In production that is the time of its
--- issue by the server's clock, negative: the server's clock says what time it is, and a call that is too old is refused,
--- so that nothing of a node that was taken for dead arrives after its Sessions have gone to others. It is 0 where the
--- caller does not know the server's clock yet, and a time to be believed, positive, in tests.
local function now_ms(given)
  local ms = tonumber(given)
  if ms > 0 then return ms end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if ms < 0 and now + ms > stale_ms then error(redis.error_reply('STALE this call was issued too long ago')) end
  return now
end

--- Makes a function callable from outside, under a name that only this version of the library has.
local function register(name, callback, flags)
  redis.register_function({ function_name = prefix .. name, callback = callback, flags = flags or {} })
end
