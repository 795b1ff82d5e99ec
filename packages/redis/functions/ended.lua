-- What time does to Sessions whose Client is away, in four steps, because each needs keys that the one before names.
--
-- ended_look: which Sessions of some buckets are past their expiry, which generations wait to be dismantled.
--   KEYS x and e of each bucket    ARGV 1 now  2 at most so many of each kind
--   Answers for each bucket {earliest expiry not yet past, or '', {clientId past it …}, {generation\0clientId …},
--     {generation\0clientId that may hold messages for others …}}
-- ended_expire: ends Sessions that are still past their expiry.
--   KEYS s b x e wd hd of each    ARGV 1 now, then clientId of each
--   Answers for each {its generation\0clientId, 1 if it may hold messages for others}, or false
-- ended_read: what a generation that is over leaves behind.
--   KEYS u q of each    Answers for each {undelivered, {filter …}}
-- ended_forget: removes it.
--   KEYS e u q r t i d h y c of each    ARGV generation\0clientId of each
-- Cost  O(buckets) and O(Sessions named)

local function ended_look(keys, args)
  local now, limit = now_ms(args[1]), tonumber(args[2])
  local answer = {}
  for at = 1, #keys, 2 do
    local past = redis.call('ZRANGEBYSCORE', keys[at], '-inf', now, 'LIMIT', 0, limit)
    local following = redis.call('ZRANGEBYSCORE', keys[at], '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local ended, unknown = {}, {}
    local over = redis.call('HGETALL', keys[at + 1])
    for each = 1, #over, 2 do
      local state = over[each + 1]
      if state == '1' and #ended < limit then ended[#ended + 1] = over[each]
      elseif string.byte(state) == 117 and #unknown < limit then unknown[#unknown + 1] = over[each] end -- u
    end
    answer[#answer + 1] = { following[2] and whole(following[2] - now) or '', past, ended, unknown }
  end
  return answer
end

local function ended_expire(keys, args)
  local now = now_ms(args[1])
  local ends = {}
  for i = 1, #keys / 6 do
    local f = redis.call('HMGET', keys[i * 6 - 5], 'g', 'own', 'xi', 'dc', 'kept', 'pw', 'qs')
    local expiry = tonumber(f[3] or 0)
    local over = f[1] and f[2] == '' and expiry ~= never_expires and tonumber(f[4]) + expiry * 1000 <= now
    ends[i] = over and f or false
  end
  local answer = {}
  for i, f in ipairs(ends) do
    local s, b, x, e, wd, hd = unpack(keys, i * 6 - 5, i * 6)
    local client_id = args[i + 1]
    answer[i] = false
    if f then
      local id = generation_id(client_id, f[1])
      local waits = redis.call('ZSCORE', hd, id)
      local _, _, sent = queue_of(f[7])
      redis.call('DEL', s)
      redis.call('HINCRBY', b, 'n', -1)
      redis.call('ZREM', x, client_id)
      -- Only a kept Session outlives its connection.
      end_generation(e, hd, id, waits and 'u' .. whole(sent) or '1', waits and now)
      -- A delayed Will is due when its Session ends [MQTT-3.1.3-9].
      if f[6] ~= '' then redis.call('ZADD', wd, 'XX', 0, f[6]) end
      answer[i] = { id, waits and 1 or 0 }
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
    local at = i * 10 - 9
    if redis.call('HGET', keys[at], id) == '1' then
      redis.call('HDEL', keys[at], id)
      redis.call('UNLINK', unpack(keys, at + 1, at + 9))
    end
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
