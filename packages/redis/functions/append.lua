-- append: queues a page of retained messages for a Subscription, and moves its cursor, in one breath [rule: Retained].
--
-- KEYS  1 s  2 u  3 q  4 t  5 c
-- ARGV  1 now  2 clientId  3 generation  4 epoch  5 filter  6 the cursor as it is, and  7 '+' and the cursor as it is to
--       be, or '' if there are no more pages  8 seq of the next message before the page was read  then the messages
-- Answers 'FENCED'; 'MOVED' if the cursor is elsewhere; 'UNSURE' if not all is there any more that was queued since the
--       page was read; else {sent, QoS granted, Subscription Identifier or '', for each message its seq, or 0}
-- Cost  O(messages), and reading what was queued since, 256 entries at most

--- Entries that are read to learn their topics; the page is read anew if there are more.
local since_max = 256

--- The topic of a message, and its publisher; the message begins at `at`.
local function topic_of(bytes, at)
  local topic, publisher_at = struct.unpack('>I2c0', bytes, at + 8)
  return topic, publisher_at
end

--- The topics whose retained messages are newer than the page: those on which a message with Retain was queued from a seq
--- on. Nil if something of that is gone.
local function topics_since(q, since, next_seq)
  local topics = {}
  if next_seq - since > since_max then return nil end
  for from = since, next_seq - 1, 32 do
    local seqs = {}
    for seq = from, math.min(next_seq, from + 32) - 1 do seqs[#seqs + 1] = seq end
    for _, entry in ipairs(redis.call('HMGET', q, unpack(seqs))) do
      if not entry then return nil end
      local at = string.find(entry, '\0', 2, true) + 1
      if shared_filter_of(entry) then at = string.find(entry, '\0', at, true) + 1 end
      if string.byte(entry, at + 1) % 8 >= 4 then topics[(topic_of(entry, at))] = true end
    end
  end
  return topics
end

--- Those messages of a page that are to be queued: {number, entry, when it expires in ms or 0}.
local function fed(args, topics, options)
  local granted, own = string.byte(options, 1) - 48, string.byte(options, 2) == 49 and args[2]
  local identifier = string.sub(options, 5)
  local taken = {}
  for n = 9, #args do
    local bytes = args[n]
    local topic, publisher_at = topic_of(bytes, 1)
    local qos = math.min(string.byte(bytes, 2) % 4, granted)
    -- [MQTT-3.8.3-3]
    if qos > 0 and not topics[topic] and struct.unpack('>I2c0', bytes, publisher_at) ~= own then
      taken[#taken + 1] = {
        number = n - 8,
        entry = string.char(entry_format + 4 + qos) .. identifier .. '\0' .. bytes,
        expires = struct.unpack('>I6', bytes, 3),
      }
    end
  end
  return taken
end

local function append(keys, args)
  local s, u, q, t, c = unpack(keys)
  local now, filter = now_ms(args[1]), args[5]
  local f = redis.call('HMGET', s, 'g', 'ep', 'own', 'qs')
  if not owns(f[1], f[2], args[3], args[4], f[3]) then return 'FENCED' end
  if redis.call('HGET', c, filter) ~= args[6] then return 'MOVED' end
  local options = redis.call('HGET', u, filter)
  if not options then return 'MOVED' end
  local next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest = queue_of(f[4])
  local topics = topics_since(q, tonumber(args[8]), next_seq)
  if not topics then return 'UNSURE' end
  redis.call('ZCARD', t)
  local count = redis.call('HLEN', q)

  local seqs, written, expiring = {}, {}, {}
  for n = 9, #args do seqs[n - 8] = 0 end
  for _, each in ipairs(fed(args, topics, options)) do
    -- rule: st is a reservation.
    if count + releases < reserve and next_seq > sent then sent = next_seq + reserve end
    seqs[each.number] = next_seq
    written[#written + 1] = next_seq
    written[#written + 1] = each.entry
    bytes = bytes + #each.entry + entry_overhead
    if each.expires > 0 then
      expiring[#expiring + 1] = each.expires
      expiring[#expiring + 1] = next_seq
      earliest = math.min(earliest or each.expires, each.expires)
    end
    next_seq, count = next_seq + 1, count + 1
  end

  for at = 1, #written, 1000 do redis.call('HSET', q, unpack(written, at, math.min(#written, at + 999))) end
  for at = 1, #expiring, 1000 do redis.call('ZADD', t, unpack(expiring, at, math.min(#expiring, at + 999))) end
  if args[7] == '' then redis.call('HDEL', c, filter)
  else redis.call('HSET', c, filter, string.sub(args[7], 2)) end
  if #written > 0 then
    redis.call('HSET', s, 'qs', queue_text(next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest))
  end
  return { sent, string.byte(options, 1) - 48, string.sub(options, 5), unpack(seqs) }
end

register('append', append)
