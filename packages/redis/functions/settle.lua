-- ack: removes what subscribers have acknowledged.
-- rec: notes PUBRECs: the message goes, the duty to send PUBREL stays, in the order of the PUBRECs [MQTT-4.6.0-4].
--
-- KEYS  s q r t of each Session. What q's name has beyond s's and a colon is the generation: what comes late is fenced by
--       it alone, since a seq is unique in it.
-- ARGV  1 the seqs, little-endian: for each Session 2 how many runs; for each run 6 its first seq · 2 how many in a row
--       A Session's seqs are each named once, at most 500 of them, and those of ack in ascending order.
-- Cost  about 5 calls for a Session, and the holes that the head moves over
--
-- One Session after the other, each read before it is written: what is done twice changes nothing.

--- Entries as small as this on the average are read to learn their sizes, all in one call; of larger ones each is asked.
local small_bytes = 1024

--- The seqs that a plan names for a Session; where the head would be if only they were gone; where the plan goes on.
local function settled(plan, at, runs, head, next_seq)
  local seqs, count = {}, 0
  for _ = 1, runs do
    local first, length
    first, length, at = struct.unpack('<I6I2', plan, at)
    for seq = first, first + length - 1 do
      count = count + 1
      seqs[count] = seq
    end
    if first <= head and first + length > head then head = math.min(next_seq, first + length) end
  end
  return seqs, head, at
end

--- Those of the seqs that are still there, and their bytes.
local function held_of(q, seqs, is_small)
  if #seqs == 1 then
    local length = redis.call('HSTRLEN', q, seqs[1])
    return length > 0 and seqs or {}, length > 0 and length + entry_overhead or 0
  end
  local held, bytes = {}, 0
  local entries = is_small and redis.call('HMGET', q, unpack(seqs))
  for n, seq in ipairs(seqs) do
    local length
    if entries then length = entries[n] and #entries[n] or 0
    else length = redis.call('HSTRLEN', q, seq) end
    if length > 0 then
      held[#held + 1] = seq
      bytes = bytes + length + entry_overhead
    end
  end
  return held, bytes
end

local function settle(keys, plan, is_ack)
  local at = 1
  for i = 1, #keys, 4 do
    local s, q, r = keys[i], keys[i + 1], keys[i + 2]
    local runs
    runs, at = struct.unpack('<I2', plan, at)
    local f = redis.call('HMGET', s, 'g', 'qs')
    if f[1] ~= string.sub(q, #s + 2) then
      at = at + 8 * runs
    else
      local next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest = queue_of(f[2])
      local seqs, passed
      seqs, passed, at = settled(plan, at, runs, head, next_seq)
      local held, held_bytes = held_of(q, seqs, bytes <= small_bytes * math.max(64, next_seq - head))
      if #held > 0 then
        redis.call('HDEL', q, unpack(held))
        if earliest then redis.call('ZREM', keys[i + 3], unpack(held)) end
      end
      if is_ack then
        if releases > 0 then releases = releases - redis.call('ZREM', r, unpack(seqs)) end
        head = advanced(q, r, passed, next_seq, releases)
      elseif #held > 0 then
        local scored = {}
        for n, seq in ipairs(held) do
          scored[2 * n - 1] = last_release + n
          scored[2 * n] = seq
        end
        last_release = last_release + #held
        releases = releases + redis.call('ZADD', r, 'NX', unpack(scored))
      end
      redis.call('HSET', s, 'qs', queue_text(next_seq, head, sent, bytes - held_bytes, releases, last_release, reserve,
        oldest, earliest))
    end
  end
end

local function ack(keys, args) settle(keys, args[1], true) end

local function rec(keys, args) settle(keys, args[1], false) end

register('ack', ack, { 'allow-oom' })
register('rec', rec, { 'allow-oom' })
