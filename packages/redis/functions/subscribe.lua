-- subscribe: stores Subscriptions of a Session in place of earlier ones with the same filter, and sets or drops the
--            cursors of their retained messages.
-- unsubscribe: removes Subscriptions and their cursors.
--
-- KEYS  1 s  2 u  3 c
-- ARGV  1 generation  2 epoch, then for each: filter, options, or: filter (unsubscribe)
-- Answers for each, 1 if there was a Subscription with that filter; false if fenced
-- Cost  O(filters)

--- What becomes of the cursor, by the options: set, dropped, or left as it is. A shared one gets no retained messages
--- [MQTT-3.8.4-9, MQTT-3.8.4-10, MQTT-3.8.4-11].
local function move_cursor(c, filter, options, had)
  local qos, handling = string.byte(options, 1), string.byte(options, 4)
  if qos == 48 or handling == 50 or is_shared(filter) then redis.call('HDEL', c, filter)
  elseif handling == 48 or not had then redis.call('HSET', c, filter, '') end
end

local function subscribe(keys, args)
  if not owned_by(keys[1], args[1], args[2]) then return false end
  redis.call('HLEN', keys[3])
  local had = {}
  for at = 3, #args, 2 do
    local is_new = redis.call('HSET', keys[2], args[at], args[at + 1])
    had[#had + 1] = 1 - is_new
    move_cursor(keys[3], args[at], args[at + 1], is_new == 0)
  end
  return had
end

local function unsubscribe(keys, args)
  if not owned_by(keys[1], args[1], args[2]) then return false end
  redis.call('HLEN', keys[3])
  local had = {}
  for at = 3, #args do
    had[#had + 1] = redis.call('HDEL', keys[2], args[at])
    redis.call('HDEL', keys[3], args[at])
  end
  return had
end

register('subscribe', subscribe)
register('unsubscribe', unsubscribe, { 'allow-oom' })
