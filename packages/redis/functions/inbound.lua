-- QoS 2 messages that Sessions have sent and not released, by Packet Identifier: '0' or, once published, '1' and the uid.
--
-- inbound_ingress: notes that messages came.    Answers for each 1, or 0 if fenced
-- inbound_done: notes that they are published.
-- inbound_release: forgets them.
--   KEYS s i of each Session    ARGV for each message: number of its Session, generation, epoch, packetId, uid
-- The last two are fenced by generation and uid alone: what an earlier connection says of that very message is true.
-- Cost  O(messages)

local function inbound_ingress(keys, args)
  local noted = {}
  for at = 1, #args, 5 do
    noted[#noted + 1] = owned_by(keys[args[at] * 2 - 1], args[at + 1], args[at + 2]) and 1 or 0
  end
  for n, owned in ipairs(noted) do
    local at = n * 5 - 4
    if owned == 1 then redis.call('HSET', keys[args[at] * 2], args[at + 3], '0' .. args[at + 4]) end
  end
  return noted
end

local function inbound_done(keys, args)
  for at = 1, #args, 5 do
    local session = args[at] * 2
    if redis.call('HGET', keys[session - 1], 'g') == args[at + 1]
      and redis.call('HGET', keys[session], args[at + 3]) == '0' .. args[at + 4] then
      redis.call('HSET', keys[session], args[at + 3], '1' .. args[at + 4])
    end
  end
end

local function inbound_release(keys, args)
  for at = 1, #args, 5 do
    local session = args[at] * 2
    if redis.call('HGET', keys[session - 1], 'g') == args[at + 1] then
      local value = redis.call('HGET', keys[session], args[at + 3])
      if value and string.sub(value, 2) == args[at + 4] then redis.call('HDEL', keys[session], args[at + 3]) end
    end
  end
end

register('inbound_ingress', inbound_ingress)
register('inbound_done', inbound_done, { 'allow-oom' })
register('inbound_release', inbound_release, { 'allow-oom' })
