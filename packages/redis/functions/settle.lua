-- ack: removes what subscribers have acknowledged.
-- rec: notes PUBRECs: the message goes, the duty to send PUBREL stays, in the order of the PUBRECs [MQTT-4.6.0-4].
--
-- KEYS  s q r t of each Session. What q's name has beyond s's and a colon is the generation: what comes late is fenced by
--       it alone, since a seq is unique in it.
-- ARGV  1 the seqs, little-endian: for each Session 2 how many runs; for each run 6 its first seq · 2 how many in a row
--       A Session's seqs are each named once, at most 500 of them, and those of ack in ascending order.
-- Cost  about 4 calls for a Session, and the holes that the head moves over
--
-- One Session after the other, each read before it is written: what is done twice changes nothing.

--- Entries as small as this on the average are read to learn their sizes, all in one call; of larger ones each is asked.
local small_bytes = 1024

--- Where the plan goes on, and the state of the Session at hand, if it is still of its generation.
local function settled(keys, i, plan, at)
  local s, q = keys[i], keys[i + 1]
  local runs
  runs, at = struct.unpack('<I2', plan, at)
  local f = redis.call('HMGET', s, 'g', 'qs')
  if f[1] ~= string.sub(q, #s + 2) then return at + 8 * runs end
  local next_seq, head, sent, bytes, releases, last_release, reserve, earliest = queue_of(f[2])
  local seqs, count, passed = {}, 0, head
  for _ = 1, runs do
    local first, length
    first, length, at = struct.unpack('<I6I2', plan, at)
    for seq = first, first + length - 1 do
      count = count + 1
      seqs[count] = seq
    end
    if first <= passed and first + length > passed then passed = math.min(next_seq, first + length) end
  end
  return at, {
    s = s, q = q, r = keys[i + 2], t = keys[i + 3], seqs = seqs, count = count,
    -- Where the head would be if only what is settled were gone.
    passed = passed, next_seq = next_seq, head = head, sent = sent, bytes = bytes, releases = releases, last_release = last_release,
    reserve = reserve, earliest = earliest,
  }
end

--- Removes the entries that are still there. Answers their seqs, and whether one is known to be at `passed`.
local function take(session)
  local q, seqs, count, bytes = session.q, session.seqs, session.count, session.bytes
  local held, held_count, is_head_live = {}, 0, false
  if bytes <= small_bytes * math.max(64, session.next_seq - session.head) then
    seqs[count + 1] = session.passed
    local entries = redis.call('HMGET', q, unpack(seqs, 1, count + 1))
    for n = 1, count do
      local entry = entries[n]
      if entry then
        held_count = held_count + 1
        held[held_count] = seqs[n]
        bytes = bytes - #entry - entry_overhead
      end
    end
    is_head_live = entries[count + 1] and true
    seqs[count + 1] = nil
  else
    for n = 1, count do
      local length = redis.call('HSTRLEN', q, seqs[n])
      if length > 0 then
        held_count = held_count + 1
        held[held_count] = seqs[n]
        bytes = bytes - length - entry_overhead
      end
    end
  end
  if held_count > 0 then
    redis.call('HDEL', q, unpack(held))
    if session.earliest then redis.call('ZREM', session.t, unpack(held)) end
  end
  session.bytes = bytes
  return held, is_head_live
end

local function noted(session)
  redis.call('HSET', session.s, 'qs', queue_text(session.next_seq, session.head, session.sent, session.bytes,
    session.releases, session.last_release, session.reserve, session.earliest))
end

local function ack(keys, args)
  local plan, at, session = args[1], 1, nil
  for i = 1, #keys, 4 do
    at, session = settled(keys, i, plan, at)
    if session then
      local _, is_head_live = take(session)
      if session.releases > 0 then
        session.releases = session.releases - redis.call('ZREM', session.r, unpack(session.seqs))
      end
      session.head = session.passed
      if not is_head_live then
        session.head = advanced(session.q, session.r, session.head, session.next_seq, session.releases)
      end
      noted(session)
    end
  end
end

local function rec(keys, args)
  local plan, at, session = args[1], 1, nil
  for i = 1, #keys, 4 do
    at, session = settled(keys, i, plan, at)
    if session then
      local held = take(session)
      if #held > 0 then
        local scored = {}
        for _, seq in ipairs(held) do
          session.last_release = session.last_release + 1
          scored[#scored + 1] = session.last_release
          scored[#scored + 1] = seq
        end
        session.releases = session.releases + redis.call('ZADD', session.r, 'NX', unpack(scored))
        noted(session)
      end
    end
  end
end

register('ack', ack, { 'allow-oom' })
register('rec', rec, { 'allow-oom' })
