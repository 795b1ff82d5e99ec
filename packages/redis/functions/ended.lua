-- What time does to Sessions whose Client is away, in four steps, because each needs keys that the one before names.
--
-- ended_look: which Sessions of some buckets are past their expiry, which generations wait to be dismantled.
--   KEYS x and e of each bucket    ARGV 1 now  2 at most so many of each kind
--   Answers for each bucket {earliest expiry not yet past, or '', {clientId past it …}, {generation\0clientId …}}
-- ended_expire: ends Sessions that are still past their expiry.
--   KEYS s b x e wd of each    ARGV 1 now, then clientId of each    Answers for each its generation\0clientId, or false
-- ended_read: what a generation that is over leaves behind.
--   KEYS u q of each    Answers for each {undelivered, {filter …}}
-- ended_forget: removes it.
--   KEYS e u q r t i d of each    ARGV generation\0clientId of each
-- Cost  O(buckets) and O(Sessions named)

local function ended_look(keys, args)
  local now, limit = now_ms(args[1]), tonumber(args[2])
  local answer = {}
  for at = 1, #keys, 2 do
    local past = redis.call('ZRANGEBYSCORE', keys[at], '-inf', now, 'LIMIT', 0, limit)
    local following = redis.call('ZRANGEBYSCORE', keys[at], '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local ended = {}
    if redis.call('EXISTS', keys[at + 1]) == 1 then
      for _, id in ipairs(redis.call('HKEYS', keys[at + 1])) do
        if #ended == limit then break end
        ended[#ended + 1] = id
      end
    end
    answer[#answer + 1] = { following[2] and whole(following[2] - now) or '', past, ended }
  end
  return answer
end

local function ended_expire(keys, args)
  local now = now_ms(args[1])
  local ends = {}
  for i = 1, #keys / 5 do
    local f = redis.call('HMGET', keys[i * 5 - 4], 'g', 'own', 'xi', 'dc', 'kept', 'pw')
    local expiry = tonumber(f[3] or 0)
    local over = f[1] and f[2] == '' and expiry ~= never_expires and tonumber(f[4]) + expiry * 1000 <= now
    ends[i] = over and f or false
  end
  local answer = {}
  for i, f in ipairs(ends) do
    local s, b, x, e, wd = unpack(keys, i * 5 - 4, i * 5)
    local client_id = args[i + 1]
    answer[i] = false
    if f then
      local id = f[1] .. '\0' .. client_id
      redis.call('DEL', s)
      redis.call('HINCRBY', b, 'n', -1)
      redis.call('ZREM', x, client_id)
      redis.call('HSET', e, id, 1) -- only a kept Session outlives its connection
      -- A delayed Will is due when its Session ends [MQTT-3.1.3-9].
      if f[6] ~= '' then redis.call('ZADD', wd, 'XX', 0, f[6]) end
      answer[i] = id
    end
  end
  return answer
end

local function ended_read(keys)
  local answer = {}
  for at = 1, #keys, 2 do
    answer[#answer + 1] = { redis.call('HLEN', keys[at + 1]), redis.call('HKEYS', keys[at]) }
  end
  return answer
end

local function ended_forget(keys, args)
  for i, id in ipairs(args) do
    local at = i * 7 - 6
    if redis.call('HDEL', keys[at], id) == 1 then redis.call('UNLINK', unpack(keys, at + 1, at + 6)) end
  end
end

--- session_count: how many Sessions some buckets hold.    KEYS b of each
local function session_count(keys)
  local count = 0
  for _, b in ipairs(keys) do count = count + (redis.call('HGET', b, 'n') or 0) end
  return count
end

register('ended_look', ended_look, { 'no-writes' })
register('ended_expire', ended_expire, { 'allow-oom' })
register('ended_read', ended_read, { 'no-writes' })
register('ended_forget', ended_forget, { 'allow-oom' })
register('session_count', session_count, { 'no-writes' })
