-- Retained messages in partitions: `k` topic → where it stands among its publisher's, message; `kl` all topics in order;
-- `ke` topics by expiry; `ku` uids had; `kd` topics whose message was removed, by time, and in `k`, under a byte 255 and the
-- topic, where that stood among its publisher's.
--
-- Everywhere here a topic's `/` is U+0000, which sorts before everything a topic may hold: so a topic is followed by all
-- topics below it, and then by its next sibling.
--
-- retained_set: stores the last message of topics, or removes it; not where the partition has had the message's uid, and
--   not where its publisher has put or removed a later one [rule: Retained].
--   KEYS 1 kn, then k kl ke ku kd of some partitions, each once
--   ARGV 1 now  2 topics there may be  3 1 if all partitions are among the keys
--        then for each: number of its partition among the keys, topic, message, or its publisher to remove it, expiry in
--        ms or 0, -1 to remove it; uid or ''; epoch of its connection, -1 for none; its number there
--   Answers for each 1, or 0 if there are too many; {'RETRY'} having written nothing where expired messages of other
--   partitions may have to make room
-- Cost  O(messages)

--- rule: Retained. How long it is remembered by whom a message was removed, in milliseconds, and of how many topics of a
--- partition.
local removed_ms = 60000
local removed_max = 10000
--- What a value of `k` has before the message, or before the publisher of one that was removed: epoch, number.
local order_format = '<dd'
local order_bytes = 16

local function partitions_of(keys)
  local found = {}
  for at = 2, #keys, 5 do
    local k, kl, ke, ku, kd = unpack(keys, at, at + 4)
    -- present: topic → what it has by now: value, false if nothing, true if nobody has read it; seen: uid → true; uids:
    -- those to be remembered; removed: topic → value, false if it is no more remembered.
    found[#found + 1] = { k = k, kl = kl, ke = ke, ku = ku, kd = kd, present = {}, seen = {}, uids = {}, removed = {} }
    redis.call('HLEN', k)
    redis.call('ZCARD', kl)
    redis.call('ZCARD', ku)
    redis.call('ZCARD', kd)
  end
  return found
end

--- rule: QoS 2. Whether a message was set before, by whichever node: what its topic has by now may be newer.
local function is_repeated(partition, uid, now)
  if uid == '' then return false end
  if partition.seen[uid] then return true end
  local seen_ms = redis.call('ZSCORE', partition.ku, uid)
  return seen_ms and tonumber(seen_ms) > now - horizon_ms
end

--- What `k` has of a removal: no topic has this byte.
local function removal_field(topic)
  return '\255' .. topic
end

--- Where the removal of a topic's message stood, if that is remembered.
local function removal_of(partition, topic, now)
  local removed = partition.removed[topic]
  if removed ~= nil then return removed end
  local since = redis.call('ZSCORE', partition.kd, topic)
  if not since or tonumber(since) <= now - removed_ms then return false end
  return redis.call('HGET', partition.k, removal_field(topic))
end

--- Whether a message stands before what its publisher has put there, or removed, last.
local function is_late(partition, topic, publisher, epoch, n, now)
  if epoch < 0 then return false end
  local before = partition.present[topic]
  if before == true then before = redis.call('HGET', partition.k, topic) end
  local whose
  if before then
    local _, publisher_at = struct.unpack('>I2c0', before, order_bytes + 9)
    whose = struct.unpack('>I2c0', before, publisher_at)
  else
    before = removal_of(partition, topic, now)
    if not before then return false end
    whose = string.sub(before, order_bytes + 1)
  end
  if whose ~= publisher then return false end
  local epoch_before, n_before = struct.unpack(order_format, before)
  return epoch < epoch_before or (epoch == epoch_before and n < n_before)
end

--- What has expired in the partitions, 64 in each: {partition, topic …}.
local function expired_in(partitions, now)
  local gone = {}
  for _, partition in ipairs(partitions) do
    for _, topic in ipairs(redis.call('ZRANGEBYSCORE', partition.ke, '-inf', now, 'LIMIT', 0, 64)) do
      partition.present[topic] = false
      gone[#gone + 1] = { partition, topic }
    end
  end
  return gone
end

--- The publisher of a message.
local function publisher_of(message)
  local _, publisher_at = struct.unpack('>I2c0', message, 9)
  return (struct.unpack('>I2c0', message, publisher_at))
end

--- Forgets removals that count no more, or are too many; 64 at each call.
local function prune_removals(partition, now)
  local old = redis.call('ZRANGEBYSCORE', partition.kd, '-inf', now - removed_ms, 'LIMIT', 0, 64)
  if #old == 0 and redis.call('ZCARD', partition.kd) > removed_max then old = redis.call('ZRANGE', partition.kd, 0, 63) end
  for _, topic in ipairs(old) do
    redis.call('ZREM', partition.kd, topic)
    redis.call('HDEL', partition.k, removal_field(topic))
  end
end

local function write_change(change, now)
  local partition, topic, value, expires, removal, is_new = unpack(change, 1, 6)
  if value then
    redis.call('HSET', partition.k, topic, value)
    redis.call('ZADD', partition.kl, 0, topic)
    if expires > 0 then redis.call('ZADD', partition.ke, expires, topic)
    else redis.call('ZREM', partition.ke, topic) end
    -- Where there was a message no removal is remembered.
    if is_new and redis.call('ZREM', partition.kd, topic) == 1 then
      redis.call('HDEL', partition.k, removal_field(topic))
    end
  else
    redis.call('HDEL', partition.k, topic)
    redis.call('ZREM', partition.kl, topic)
    redis.call('ZREM', partition.ke, topic)
    if removal then
      redis.call('HSET', partition.k, removal_field(topic), removal)
      redis.call('ZADD', partition.kd, now, topic)
      prune_removals(partition, now)
    end
  end
end

local function retained_set(keys, args)
  local now, max, has_all = now_ms(args[1]), tonumber(args[2]), args[3] == '1'
  local partitions = partitions_of(keys)
  local count = tonumber(redis.call('GET', keys[1]) or 0)
  local before = count
  local gone = expired_in(partitions, now)
  count = count - #gone

  local answer, changes = {}, {}
  for at = 4, #args, 7 do
    local partition, topic, message, expires = partitions[tonumber(args[at])], args[at + 1], args[at + 2], args[at + 3]
    local uid, epoch, n = args[at + 4], tonumber(args[at + 5]), tonumber(args[at + 6])
    local removes = expires == '-1'
    if partition.present[topic] == nil then
      if epoch >= 0 then partition.present[topic] = redis.call('HGET', partition.k, topic)
      else partition.present[topic] = redis.call('HEXISTS', partition.k, topic) == 1 end
    end
    local holds = partition.present[topic] ~= false
    local repeated = is_repeated(partition, uid, now)
    answer[#answer + 1] = 1
    if repeated then
      -- It is as it was left then.
    elseif is_late(partition, topic, removes and message or publisher_of(message), epoch, n, now) then
      -- Its publisher knows better by now.
    elseif removes then
      local removal = epoch >= 0 and struct.pack(order_format, epoch, n) .. message
      if holds or removal then changes[#changes + 1] = { partition, topic, nil, 0, removal } end
      if removal then partition.removed[topic] = removal end
      partition.present[topic] = false
      if holds then count = count - 1 end
    elseif holds or count < max then
      local value = struct.pack(order_format, epoch, n) .. message
      changes[#changes + 1] = { partition, topic, value, tonumber(expires), nil, not holds }
      partition.present[topic] = value
      partition.removed[topic] = false
      if not holds then count = count + 1 end
    elseif not has_all then
      return { 'RETRY' }
    else
      answer[#answer] = 0
    end
    if uid ~= '' and not repeated and answer[#answer] == 1 then
      partition.seen[uid] = true
      partition.uids[#partition.uids + 1] = uid
    end
  end

  for _, partition in ipairs(partitions) do
    if #partition.uids > 0 then remember(partition.ku, partition.uids, now) end
  end
  for _, change in ipairs(gone) do write_change(change, now) end
  for _, change in ipairs(changes) do write_change(change, now) end
  if count ~= before then redis.call('INCRBY', keys[1], count - before) end
  return answer
end

register('retained_set', retained_set)
