-- The table of routes: a version for every change, a log of the changes, a checksum over all that is there.
--
-- A route is a filter\0destination, and bears something: one to a stored Session, whose destination is its generation,
-- the Client Identifier; one to a member of a shared group, with the same destination, the Client Identifier\0, `s` if the
-- Session is stored, else `v`, and the node that holds it; one to a node, whose destination is `@` and its name, the marks
-- of that node.
--
-- route_put: puts routes, each under a new version even if it was there; marks are added to those borne [rule: Marks].
--   KEYS 1 rt  2 rv  3 rx  4 rlog
--   ARGV 1 now  2 a version that this node has seen  then for each: route, what it bears
--   Answers {the last version, what each bears from now on …}
-- route_remove: takes marks away, or a Session's route, where the version is still the one given; with its last mark a
--   route goes, and with some left it is put.
--   KEYS the same    ARGV for each: route, version, marks to take away or ''
--   Answers for each: its new version, or 0 if nothing was done; then '+' if it is there still, or '-' if it went; then
--   what it bears from now on, or bore
-- route_away: notes of members that no node holds them any more, where the version is still the one given.
--   KEYS the same    ARGV for each: route, version    Answers as route_remove
-- Versions grow by one, so that a gap in the log is seen. The version seen by the node counts too: after a store that
-- lost its last second no version means two things.
-- Cost  O(routes)

--- About how many changes a node may be behind before it has to read the whole table again.
local log_max = 200000

local function split(value)
  local at = string.find(value, '\0', 1, true)
  return string.sub(value, 1, at - 1), string.sub(value, at + 1)
end

local function leads_to_node(route)
  return string.find(route, '\0@', 1, true) ~= nil
end

local function checksum_of(rx)
  local text = redis.call('GET', rx)
  if not text then return { 0, 0 } end
  return { tonumber(string.sub(text, 1, 8), 16), tonumber(string.sub(text, 9, 16), 16) }
end

--- Takes a route and all that is stored of it into the checksum, or out of it: both are the same.
local function fold(sum, route, value)
  local digest = redis.sha1hex(route .. '\0' .. value)
  sum[1] = bit.bxor(sum[1], tonumber(string.sub(digest, 1, 8), 16))
  sum[2] = bit.bxor(sum[2], tonumber(string.sub(digest, 9, 16), 16))
end

--- The table as one call changes it.
local function opened_table(keys)
  local rt, rv, rx, rlog = unpack(keys)
  redis.call('HLEN', rt)
  redis.call('XLEN', rlog)
  return { rt = rt, rv = rv, rx = rx, rlog = rlog, sum = checksum_of(rx), version = tonumber(redis.call('GET', rv) or 0) }
end

local function close_table(of)
  redis.call('SET', of.rv, whole(of.version))
  redis.call('SET', of.rx, bit.tohex(of.sum[1]) .. bit.tohex(of.sum[2]))
end

--- Gives a route something to bear, or nil to remove it, under a new version; answers that version, and as the log has
--- it whether it is there and what it bears or bore.
local function change(of, route, before, bears)
  of.version = of.version + 1
  local version = whole(of.version)
  if before then fold(of.sum, route, before) end
  if bears then
    local value = version .. '\0' .. bears
    fold(of.sum, route, value)
    redis.call('HSET', of.rt, route, value)
  else
    redis.call('HDEL', of.rt, route)
  end
  local _, bore = split(before or '\0')
  local sign = bears and '+' or '-'
  redis.call('XADD', of.rlog, 'MAXLEN', '~', log_max, version .. '-1', sign, route .. '\0' .. (bears or bore))
  return version, sign, bears or bore
end

local function route_put(keys, args)
  now_ms(args[1]) -- rule: STALE. What a dead node puts late would lead nowhere, and nobody would take it away.
  local of = opened_table(keys)
  of.version = math.max(of.version, tonumber(args[2]))
  local answer = { '' }
  for at = 3, #args, 2 do
    local route, bears = args[at], args[at + 1]
    local before = redis.call('HGET', of.rt, route)
    if before and leads_to_node(route) then
      local _, marks = split(before)
      bears = whole(bit.bor(marks, bears))
    end
    change(of, route, before, bears)
    answer[#answer + 1] = bears
  end
  close_table(of)
  answer[1] = whole(of.version)
  return answer
end

local function tell(answer, version, sign, bears)
  answer[#answer + 1] = version
  answer[#answer + 1] = sign
  answer[#answer + 1] = bears
end

local function route_remove(keys, args)
  local of = opened_table(keys)
  local answer = {}
  for at = 1, #args, 3 do
    local route, marks = args[at], args[at + 2]
    local before = redis.call('HGET', of.rt, route)
    local put, bears
    if before then put, bears = split(before) end
    if put == args[at + 1] then
      local left = leads_to_node(route) and bit.band(bears, bit.bnot(marks)) or 0
      tell(answer, change(of, route, before, left ~= 0 and whole(left) or nil))
    else
      tell(answer, '0', '', '')
    end
  end
  close_table(of)
  return answer
end

local function route_away(keys, args)
  local of = opened_table(keys)
  local answer = {}
  for at = 1, #args, 2 do
    local route = args[at]
    local before = redis.call('HGET', of.rt, route)
    local put, bears
    if before then put, bears = split(before) end
    local member = put == args[at + 1] and not leads_to_node(route) and string.match(bears, '^.-%z.')
    if member then tell(answer, change(of, route, before, member))
    else tell(answer, '0', '', '') end
  end
  close_table(of)
  return answer
end

register('route_put', route_put)
register('route_remove', route_remove, { 'allow-oom' })
register('route_away', route_away, { 'allow-oom' })
