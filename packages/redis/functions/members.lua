-- The register of nodes: who has joined, who renews its lease, who is dead.
--
-- A lease has no clock here: whoever watches it counts its renewals by a clock of their own, and says what was seen last.
-- So a server that stood still makes no node look dead. An ended lease stays so until its node is struck off.
--
-- member_join: enters a node; not while what the cluster begins with is still being imported (import.lua).
--   KEYS nm nl im    ARGV node, what it is as JSON
-- member_renew: renews a lease, if there is one that has not ended, and reads the register.
--   KEYS nm nl ng    ARGV node
--   Answers {1 if it was renewed, how often messages were given up, seconds, microseconds of the server's clock,
--     then for each node: its name, what it is, its lease}
-- member_bury: ends a lease that has not been renewed since.
--   KEYS nl    ARGV node, renewals last seen    Answers 1 if it has ended, by this or before it, or if there is none
-- member_forget: strikes a node off whose lease has ended.    KEYS nm nl ng    ARGV node
-- member_miss: notes that messages for a node were given up.    KEYS nl ng    ARGV node
-- Cost  O(1); member_renew O(nodes)

local function is_dead(lease)
  return string.find(lease, ' dead', 1, true) ~= nil
end

local function member_join(keys, args)
  if redis.call('HGET', keys[3], 'is') == 'open' then
    error(redis.error_reply('TRYAGAIN what was to be migrated into this cluster is not complete'))
  end
  redis.call('HLEN', keys[1])
  if redis.call('HSETNX', keys[2], args[1], 0) == 1 then redis.call('HSET', keys[1], args[1], args[2]) end
end

local function member_renew(keys, args)
  local nm, nl, ng = keys[1], keys[2], keys[3]
  local node = args[1]
  local lease = redis.call('HGET', nl, node)
  local held = lease and not is_dead(lease)
  local misses = redis.call('HGET', ng, node) or 0
  redis.call('HLEN', nm)
  if held then redis.call('HSET', nl, node, whole(lease + 1)) end
  local time = redis.call('TIME')
  local answer = { held and 1 or 0, tonumber(misses), tonumber(time[1]), tonumber(time[2]) }
  local leases = redis.call('HGETALL', nl)
  for at = 1, #leases, 2 do
    answer[#answer + 1] = leases[at]
    answer[#answer + 1] = redis.call('HGET', nm, leases[at])
    answer[#answer + 1] = leases[at + 1]
  end
  return answer
end

local function member_bury(keys, args)
  local nl, node, renewals = keys[1], args[1], args[2]
  local lease = redis.call('HGET', nl, node)
  if not lease or is_dead(lease) then return 1 end
  if lease ~= renewals then return 0 end
  redis.call('HSET', nl, node, lease .. ' dead')
  return 1
end

local function member_forget(keys, args)
  local nm, nl, ng = keys[1], keys[2], keys[3]
  local node = args[1]
  local lease = redis.call('HGET', nl, node)
  if lease and not is_dead(lease) then return end
  redis.call('HLEN', nm)
  redis.call('HLEN', ng)
  for _, key in ipairs(keys) do redis.call('HDEL', key, node) end
end

local function member_miss(keys, args)
  local nl, ng = keys[1], keys[2]
  if redis.call('HEXISTS', nl, args[1]) == 1 then redis.call('HINCRBY', ng, args[1], 1) end
end

register('member_join', member_join)
register('member_renew', member_renew, { 'allow-oom' })
register('member_bury', member_bury, { 'allow-oom' })
register('member_forget', member_forget, { 'allow-oom' })
register('member_miss', member_miss, { 'allow-oom' })
