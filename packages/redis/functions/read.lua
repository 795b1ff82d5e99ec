-- read: live entries of a queue from a seq on, in order; reserves what it answers.
--
-- KEYS  1 s  2 q  3 r  4 t
-- ARGV  1 now  2 generation  3 epoch  4 from  5 limit
-- Answers {next seq to read, seq of the next message, expired, {release …}, seq, entry, seq, entry …}; false if fenced
-- Cost  O(seqs looked at), at most 4096, and about 1 MiB of entries
--
-- ends: where queues end, for owners who want to know whether they were told of everything.
--   KEYS s of each    ARGV generation, epoch of each    Answers for each the seq of the next message, or -1 if fenced
--   Cost O(Sessions)

local read_steps_max = 4096
local read_bytes_max = 1048576

local function read(keys, args)
  local s, q, r, t = keys[1], keys[2], keys[3], keys[4]
  local f = redis.call('HMGET', s, 'g', 'ep', 'own', 'qs')
  if not owns(f[1], f[2], args[2], args[3], f[3]) then return false end
  local now, limit = now_ms(args[1]), tonumber(args[5])
  local next_seq, head, sent, bytes, release_count, last_release, reserve, oldest, earliest = queue_of(f[4])
  local expired = {}
  if earliest and earliest <= now then
    for _, seq in ipairs(redis.call('ZRANGEBYSCORE', t, '-inf', now)) do expired[seq] = true end
  end

  local answer, releases, gone = { 0, next_seq, 0, 0 }, {}, {}
  local seq = math.max(tonumber(args[4]), head)
  local stop = math.min(next_seq, seq + read_steps_max)
  local count, read_bytes, page = 0, 0, math.min(limit, 32)
  local last = 0
  while seq < stop and count < limit and read_bytes < read_bytes_max do
    local seqs = {}
    for each = seq, math.min(stop, seq + page) - 1 do seqs[#seqs + 1] = each end
    local entries = redis.call('HMGET', q, unpack(seqs))
    local before = count
    for i = 1, #seqs do
      if count >= limit or read_bytes >= read_bytes_max then break end
      local entry = entries[i]
      if not entry then
        if release_count > 0 and redis.call('ZSCORE', r, seq) then releases[#releases + 1] = seq end
      elseif seq > sent and expired[whole(seq)] then
        gone[#gone + 1] = seq
        bytes = bytes - #entry - entry_overhead
      else
        answer[#answer + 1] = seq
        answer[#answer + 1] = entry
        count = count + 1
        read_bytes = read_bytes + #entry
        last = seq
      end
      seq = seq + 1
    end
    -- Over holes the pages widen: a wide one costs one call.
    page = count == before and 256 or math.min(limit, 32)
  end

  if #gone > 0 then
    for at = 1, #gone, 1000 do
      redis.call('HDEL', q, unpack(gone, at, math.min(#gone, at + 999)))
      redis.call('ZREM', t, unpack(gone, at, math.min(#gone, at + 999)))
    end
  end
  local new_head = advanced(q, r, head, next_seq, release_count)
  if last > sent or new_head > head or #gone > 0 then
    redis.call('HSET', s, 'qs', queue_text(next_seq, new_head, math.max(sent, last), bytes, release_count, last_release,
      reserve, oldest, earliest))
  end
  answer[1], answer[3], answer[4] = seq, #gone, releases
  return answer
end

local function ends(keys, args)
  local answer = {}
  for i, s in ipairs(keys) do
    local f = redis.call('HMGET', s, 'g', 'ep', 'own', 'qs')
    answer[i] = owns(f[1], f[2], args[i * 2 - 1], args[i * 2], f[3]) and (queue_of(f[4])) or -1
  end
  return answer
end

register('ends', ends, { 'no-writes' })
register('read', read, { 'allow-oom' })
