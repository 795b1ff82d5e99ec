-- subscribe: stores Subscriptions of a Session in place of earlier ones with the same filter.
-- unsubscribe: removes Subscriptions.
--
-- KEYS  1 s  2 u
-- ARGV  1 generation  2 epoch, then for each: filter, options (subscribe), or: filter (unsubscribe)
-- Answers for each, 1 if there was a Subscription with that filter; false if fenced
-- Cost  O(filters)

local function subscribe(keys, args)
  if not owned_by(keys[1], args[1], args[2]) then return false end
  local had = {}
  for at = 3, #args, 2 do had[#had + 1] = 1 - redis.call('HSET', keys[2], args[at], args[at + 1]) end
  return had
end

local function unsubscribe(keys, args)
  if not owned_by(keys[1], args[1], args[2]) then return false end
  local had = {}
  for at = 3, #args do had[#had + 1] = redis.call('HDEL', keys[2], args[at]) end
  return had
end

register('subscribe', subscribe)
register('unsubscribe', unsubscribe, { 'allow-oom' })
