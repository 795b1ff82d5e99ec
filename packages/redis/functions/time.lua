-- Numbers and time, as all functions use them.
--
-- Lua's numbers are doubles, and its own conversion to text keeps 14 digits: an epoch has 16. So whatever may be large
-- is written by `whole`. Text is never compared by `<`, which follows the server's locale.

--- The text of a whole number, all its digits.
local function whole(number)
  return string.format('%.0f', number)
end

--- How long ago the lease of a call's node may have been renewed, in milliseconds: a node is found dead after longer.
local stale_ms = 5000

--- rule: STALE. The time in milliseconds since 1970, by what a call is given. In production that is when its node's lease
--- had last been renewed, by the server's clock and negative: the server's clock says what time it is, and a call of a
--- node that may be dead is refused, so that nothing of it arrives after its Sessions have gone to others. It is 0 before
--- the first renewal, and a time to be believed, positive, in tests.
local function now_ms(given)
  local ms = tonumber(given)
  if ms > 0 then return ms end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if ms < 0 and now + ms > stale_ms then error(redis.error_reply('STALE the lease of the node that made this call was renewed too long ago')) end
  return now
end

--- Makes a function callable from outside, under a name that only this version of the library has.
local function register(name, callback, flags)
  redis.register_function({ function_name = prefix .. name, callback = callback, flags = flags or {} })
end
