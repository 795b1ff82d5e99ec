-- wills_claim: takes Wills that are due, earliest first, and those whose claim ran out before they were done. Ahead of
--              each come those of the same Client's earlier connections, also if somebody has claimed them and not
--              finished: a newer one must not overtake them.
--   KEYS wd wc w of each bucket    ARGV 1 now  2 at most so many
--   Answers {{will id, will …}, {for each bucket, ms until its next is due, or ''}}
-- wills_done: forgets Wills that are published.
--   KEYS wd wc w of each Will    ARGV clientId and will id of each
-- Cost  O(buckets + Wills claimed), however many are due

--- When the next Will of a bucket is due, or its claim ends.
local function earliest_of(keys, at)
  local earliest = math.huge
  for offset = 0, 1 do
    local first = redis.call('ZRANGE', keys[at + offset], 0, 0, 'WITHSCORES')
    if first[2] then earliest = math.min(earliest, tonumber(first[2])) end
  end
  return earliest
end

local function wills_claim(keys, args)
  local now, limit = now_ms(args[1]), tonumber(args[2])
  -- No more is read than is asked for, from the buckets with the earliest first: when a node dies, many are due at once.
  local buckets = {}
  for at = 1, #keys, 3 do buckets[#buckets + 1] = { at = at, earliest = earliest_of(keys, at) } end
  table.sort(buckets, function(one, other) return one.earliest < other.earliest end)
  local found = {}
  for _, bucket in ipairs(buckets) do
    if #found >= limit or bucket.earliest > now then break end
    local at = bucket.at
    for offset = 0, 1 do
      local due = redis.call('ZRANGEBYSCORE', keys[at + offset], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
      for i = 1, #due, 2 do
        found[#found + 1] = { id = due[i], due = tonumber(due[i + 1]), at = at }
      end
    end
  end
  table.sort(found, function(one, other) return one.due < other.due end)
  local taken, seen = {}, {}
  local function take(id, at)
    if seen[id] then return end
    seen[id] = true
    taken[#taken + 1] = { id = id, at = at, will = redis.call('HGET', keys[at + 2], id) }
  end
  for i = 1, math.min(limit, #found) do
    local id, at = found[i].id, found[i].at
    local client_id = string.match(id, '^.-%z.-%z(.*)$')
    for _, earlier in ipairs(wills_in(redis.call('HGET', keys[at + 2], client_id), client_id)) do
      if earlier == id then break end
      local waits = redis.call('ZSCORE', keys[at], earlier)
      if not waits or tonumber(waits) <= now then take(earlier, at) end
    end
    take(id, at)
  end
  local claimed = {}
  for _, each in ipairs(taken) do
    redis.call('ZREM', keys[each.at], each.id)
    if each.will then
      redis.call('ZADD', keys[each.at + 1], now + will_lease_ms, each.id)
      claimed[#claimed + 1] = each.id
      claimed[#claimed + 1] = each.will
    else
      redis.call('ZREM', keys[each.at + 1], each.id)
    end
  end
  local next_due = {}
  for at = 1, #keys, 3 do
    local earliest = earliest_of(keys, at)
    next_due[#next_due + 1] = earliest == math.huge and '' or whole(math.max(0, earliest - now))
  end
  return { claimed, next_due }
end

local function wills_done(keys, args)
  for i = 1, #args / 2 do
    local wd, wc, w = unpack(keys, i * 3 - 2, i * 3)
    finish_will(wd, wc, w, args[i * 2 - 1], args[i * 2])
  end
end

register('wills_claim', wills_claim, { 'allow-oom' })
register('wills_done', wills_done, { 'allow-oom' })
