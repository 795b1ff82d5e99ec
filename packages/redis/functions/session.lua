-- The fields of a Session that several functions need, and what they do to it alike.

--- The Session Expiry Interval that never passes [MQTT 3.1.2.11.2].
local never_expires = 4294967295

--- Whether a claim speaks for the current owner of a Session. Both are compared for equality, never for order.
local function owns(generation, epoch, claimed_generation, claimed_epoch, owner)
  return generation == claimed_generation
    and owner ~= false
    and owner ~= ''
    and tonumber(epoch) == tonumber(claimed_epoch)
end

--- The same, where nothing else of the Session is needed.
local function owned_by(s, claimed_generation, claimed_epoch)
  local f = redis.call('HMGET', s, 'g', 'ep', 'own')
  return owns(f[1], f[2], claimed_generation, claimed_epoch, f[3])
end

-- What changes with every message is one field, `qs`, near the front of the hash: a field of a small hash is found by
-- walking over those before it, and ten of them cost more than all else that enqueue does. It is packed, since patterns
-- and formats cost Lua five times as much: next seq, head, sent at most, bytes, releases, last release, reserve, oldest
-- unsent, and the earliest expiry in ms or -1, as a double, because it may be later than 48 bits tell.
--
-- Invariant: no entry lies above `sent` and below `oldest`, and oldest <= next seq. Who moves `sent` down takes it
-- along; nothing else can break it, since what is gone does not come back and what is new comes last.
local queue_format = '<I6I6I6I6I4I6I2I6d'

--- The state of a queue; its last part, the earliest expiry, is nil if nothing expires.
local function queue_of(packed)
  local next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest =
    struct.unpack(queue_format, packed)
  return next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest >= 0 and earliest or nil
end

--- The same, packed.
local function queue_text(next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest)
  return struct.pack(queue_format, next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest or -1)
end

--- Whether a filter is one that several Clients share [MQTT 4.8.2].
local function is_shared(filter)
  local start = string.sub(filter, 1, 7)
  return start == '$share/' or start == '$queue/'
end

--- What a queue entry costs beside its bytes, in bytes: its seq and the hash around it.
local entry_overhead = 64

--- The layout of an entry's head, in its first four bits.
local entry_format = 16

--- The head of a queue moved over seqs that hold nothing any more; bounded, so it may lag behind.
local function advanced(q, r, head, next_seq, release_count)
  local steps = 1024
  while head < next_seq and steps > 0 do
    if redis.call('HEXISTS', q, head) == 1 then break end
    if release_count > 0 and redis.call('ZSCORE', r, head) then break end
    head = head + 1
    steps = steps - 1
  end
  return head
end
