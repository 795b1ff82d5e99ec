-- The table of routes: a version for every change, a log of the changes, a checksum over all that is there.
--
-- route_put: puts routes, each under a new version even if it was there [rule: Marks].
--   KEYS 1 rt  2 rv  3 rx  4 rlog
--   ARGV 1 a version that this node has seen  then for each: filter\0generation, clientId    Answers the last version
-- route_remove: removes routes whose version is still the one given.
--   KEYS the same    ARGV for each: filter\0generation, version    Answers for each its new version, or 0
-- Versions grow by one, so that a gap in the log is seen. The version seen by the node counts too: after a store that
-- lost its last second no version means two things.
-- Cost  O(routes)

--- About how many changes a node may be behind before it has to read the whole table again.
local log_max = 200000

local function split(value)
  local at = string.find(value, '\0', 1, true)
  return string.sub(value, 1, at - 1), string.sub(value, at + 1)
end

local function checksum_of(rx)
  local text = redis.call('GET', rx)
  if not text then return { 0, 0 } end
  return { tonumber(string.sub(text, 1, 8), 16), tonumber(string.sub(text, 9, 16), 16) }
end

--- Takes a route under a version into the checksum, or out of it: both are the same.
local function fold(sum, route, version)
  local digest = redis.sha1hex(route .. '\0' .. version)
  sum[1] = bit.bxor(sum[1], tonumber(string.sub(digest, 1, 8), 16))
  sum[2] = bit.bxor(sum[2], tonumber(string.sub(digest, 9, 16), 16))
end

local function store(rv, rx, version, sum)
  redis.call('SET', rv, whole(version))
  redis.call('SET', rx, bit.tohex(sum[1]) .. bit.tohex(sum[2]))
end

local function log(rlog, version, sign, route, client_id)
  redis.call('XADD', rlog, 'MAXLEN', '~', log_max, whole(version) .. '-1', sign, route .. '\0' .. client_id)
end

local function route_put(keys, args)
  local rt, rv, rx, rlog = unpack(keys)
  redis.call('HLEN', rt)
  redis.call('XLEN', rlog)
  local sum = checksum_of(rx)
  local version = math.max(tonumber(redis.call('GET', rv) or 0), tonumber(args[1]))
  for at = 2, #args, 2 do
    local route, client_id = args[at], args[at + 1]
    local before = redis.call('HGET', rt, route)
    if before then fold(sum, route, (split(before))) end
    version = version + 1
    fold(sum, route, whole(version))
    redis.call('HSET', rt, route, whole(version) .. '\0' .. client_id)
    log(rlog, version, '+', route, client_id)
  end
  store(rv, rx, version, sum)
  return whole(version)
end

local function route_remove(keys, args)
  local rt, rv, rx, rlog = unpack(keys)
  redis.call('HLEN', rt)
  redis.call('XLEN', rlog)
  local sum = checksum_of(rx)
  local version = tonumber(redis.call('GET', rv) or 0)
  local versions = {}
  for at = 1, #args, 2 do
    local route = args[at]
    local before = redis.call('HGET', rt, route)
    local put, client_id
    if before then put, client_id = split(before) end
    if put == args[at + 1] then
      version = version + 1
      fold(sum, route, put)
      redis.call('HDEL', rt, route)
      log(rlog, version, '-', route, client_id)
      versions[#versions + 1] = whole(version)
    else
      versions[#versions + 1] = '0'
    end
  end
  store(rv, rx, version, sum)
  return versions
end

register('route_put', route_put)
register('route_remove', route_remove, { 'allow-oom' })
