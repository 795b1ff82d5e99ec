-- Retained messages in partitions: `k` topic → message, `kl` all topics in order, `ke` topics by expiry, `ku` uids had.
--
-- In `kl` a topic's `/` is U+0000, which sorts before everything a topic may hold: so a topic is followed by all
-- topics below it, and then by its next sibling.
--
-- retained_set: stores the last message of topics, or removes it; not where the partition has had the message's uid.
--   KEYS 1 kn, then k kl ke ku of some partitions, each once
--   ARGV 1 now  2 topics there may be  3 1 if all partitions are among the keys
--        then for each: number of its partition among the keys, topic, message or '' to remove it, expiry in ms or 0,
--        uid or ''
--   Answers for each 1, or 0 if there are too many; {'RETRY'} having written nothing where expired messages of other
--   partitions may have to make room
-- retained_get: the message of one topic.
--   KEYS k ke    ARGV 1 now  2 topic    Answers it, or false
-- retained_scan: messages of one partition that a filter with wildcards matches.
--   KEYS k kl ke    ARGV 1 now  2 where to begin, '' at first  3 seeks at most  4 messages at most  5 bytes, about
--        then the levels of the filter
--   Answers {where to go on, or '' at the end, message …}
-- Cost  set: O(messages); scan: O(seeks), each 6 to 11 µs

local function partitions_of(keys)
  local found = {}
  for at = 2, #keys, 4 do
    local k, kl, ke, ku = unpack(keys, at, at + 3)
    -- holds: topic → whether it has a message; seen: uid → true; uids: those to be remembered.
    found[#found + 1] = { k = k, kl = kl, ke = ke, ku = ku, holds = {}, seen = {}, uids = {} }
    redis.call('HLEN', k)
    redis.call('ZCARD', kl)
    redis.call('ZCARD', ku)
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

local function in_order(topic)
  return (string.gsub(topic, '/', '\0'))
end

local function retained_set(keys, args)
  local now, max, has_all = now_ms(args[1]), tonumber(args[2]), args[3] == '1'
  local partitions = partitions_of(keys)
  local count = tonumber(redis.call('GET', keys[1]) or 0)
  local before = count
  local gone = {}
  for _, partition in ipairs(partitions) do
    for _, topic in ipairs(redis.call('ZRANGEBYSCORE', partition.ke, '-inf', now, 'LIMIT', 0, 64)) do
      partition.holds[topic] = false
      gone[#gone + 1] = { partition, topic }
      count = count - 1
    end
  end

  local answer, changes = {}, {}
  for at = 4, #args, 5 do
    local partition, topic, message, uid = partitions[tonumber(args[at])], args[at + 1], args[at + 2], args[at + 4]
    local repeated, holds = is_repeated(partition, uid, now), partition.holds[topic]
    if holds == nil then holds = redis.call('HEXISTS', partition.k, topic) == 1 end
    answer[#answer + 1] = 1
    if repeated then
      -- It is as it was left then.
    elseif message == '' then
      if holds then
        changes[#changes + 1] = { partition, topic }
        partition.holds[topic] = false
        count = count - 1
      end
    elseif holds or count < max then
      changes[#changes + 1] = { partition, topic, message, tonumber(args[at + 3]) }
      partition.holds[topic] = true
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
  for _, list in ipairs({ gone, changes }) do
    for _, change in ipairs(list) do
      local partition, topic, message, expires = change[1], change[2], change[3], change[4]
      if message then
        redis.call('HSET', partition.k, topic, message)
        redis.call('ZADD', partition.kl, 0, in_order(topic))
        if expires > 0 then redis.call('ZADD', partition.ke, expires, topic)
        else redis.call('ZREM', partition.ke, topic) end
      else
        redis.call('HDEL', partition.k, topic)
        redis.call('ZREM', partition.kl, in_order(topic))
        redis.call('ZREM', partition.ke, topic)
      end
    end
  end
  if count ~= before then redis.call('INCRBY', keys[1], count - before) end
  return answer
end

local function live(k, ke, topic, now)
  local expires = redis.call('ZSCORE', ke, topic)
  if expires and tonumber(expires) <= now then return false end
  return redis.call('HGET', k, topic)
end

local function retained_get(keys, args)
  return live(keys[1], keys[2], args[2], now_ms(args[1]))
end

--- Whether one text sorts before another, byte by byte.
local function before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function levels_of(member)
  local levels, from = {}, 1
  while true do
    local at = string.find(member, '\0', from, true)
    if not at then break end
    levels[#levels + 1] = string.sub(member, from, at - 1)
    from = at + 1
  end
  levels[#levels + 1] = string.sub(member, from)
  return levels
end

--- Behind everything below the first `count` levels of a topic.
local function behind(levels, count)
  return table.concat(levels, '\0', 1, count) .. '\1'
end

--- Where the next match may stand after a topic that does not match at a level: behind the last `+` before it.
local function after_mismatch(filter, levels, at)
  for i = at - 1, 1, -1 do
    if filter[i] == '+' then return behind(levels, i) end
  end
  return nil
end

--- Whether a topic matches, and where to look next; nowhere if nil.
local function compared(filter, member)
  -- A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
  if string.byte(member, 1) == 36 and (filter[1] == '+' or filter[1] == '#') then return false, '%' end
  local levels = levels_of(member)
  for i, wanted in ipairs(filter) do
    local level = levels[i]
    if wanted == '#' then return true, member .. '\0' end
    if level == nil then
      -- The parent level of a # matches too; else what is wanted may lie below.
      if wanted == '+' then return false, member .. '\0' end
      return false, member .. '\0' .. wanted
    end
    if wanted ~= '+' and wanted ~= level then
      if before(level, wanted) then
        levels[i] = wanted
        return false, table.concat(levels, '\0', 1, i)
      end
      return false, after_mismatch(filter, levels, i)
    end
  end
  if #levels == #filter then
    if filter[#filter] == '+' then return true, behind(levels, #levels) end
    return true, after_mismatch(filter, levels, #levels)
  end
  if filter[#filter] == '+' then return false, behind(levels, #filter) end
  return false, after_mismatch(filter, levels, #filter)
end

local function retained_scan(keys, args)
  local k, kl, ke = keys[1], keys[2], keys[3]
  local now, cursor, seeks = now_ms(args[1]), args[2], tonumber(args[3])
  local left, bytes = tonumber(args[4]), tonumber(args[5])
  local filter = {}
  for at = 6, #args do filter[#filter + 1] = args[at] end
  local prefix = {}
  if cursor == '' then
    -- The levels before the first wildcard are where all matches lie.
    for _, level in ipairs(filter) do
      if level == '+' or level == '#' then break end
      prefix[#prefix + 1] = level
    end
    cursor = table.concat(prefix, '\0')
  end
  local answer = { '' }
  while cursor do
    if seeks == 0 or left <= 0 or bytes <= 0 then
      answer[1] = cursor
      break
    end
    seeks = seeks - 1
    -- From a match of # on, its neighbours match too: several are looked at in one seek.
    local page = filter[#filter] == '#' and math.min(left, 16) or 1
    local members = redis.call('ZRANGEBYLEX', kl, '[' .. cursor, '+', 'LIMIT', 0, page)
    if #members == 0 then break end
    for i, member in ipairs(members) do
      local matches, following = compared(filter, member)
      cursor = following
      if matches then
        local topic = string.gsub(member, '%z', '/')
        local message = live(k, ke, topic, now)
        if message then
          answer[#answer + 1] = message
          left = left - 1
          bytes = bytes - #message
        end
      end
      if not cursor or not matches or bytes <= 0 then break end
    end
  end
  return answer
end

register('retained_set', retained_set)
register('retained_get', retained_get, { 'no-writes' })
register('retained_scan', retained_scan, { 'no-writes' })
