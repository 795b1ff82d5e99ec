-- ack: removes what subscribers have acknowledged.
-- rec: notes PUBRECs: the message goes, the duty to send PUBREL stays, in the order of the PUBRECs [MQTT-4.6.0-4].
--
-- KEYS  s q r t of each Session
-- ARGV  for each: generation, how many seqs follow, seqs. Fenced by generation alone: a seq is unique in it.
-- Cost  O(seqs), and the holes that the head moves over

local function sessions_of(keys, args)
  local found, at = {}, 1
  for i = 1, #keys / 4 do
    local generation, count = args[at], tonumber(args[at + 1])
    local s, q, r, t = unpack(keys, i * 4 - 3, i * 4)
    local f = redis.call('HMGET', s, 'g', 'qs')
    if f[1] == generation then
      local next_seq, head, sent, bytes, releases, last_release, reserve, earliest = queue_of(f[2])
      local session = { s = s, q = q, r = r, t = t, next_seq = next_seq, head = head, sent = sent, bytes = bytes,
        releases = releases, last_release = last_release, reserve = reserve, earliest = earliest, seqs = {}, held = {} }
      local counted = count > 1 and {}
      for n = at + 2, at + 1 + count do
        local seq = args[n]
        session.seqs[#session.seqs + 1] = seq
        local length = counted and counted[seq] and 0 or redis.call('HSTRLEN', q, seq)
        if counted then counted[seq] = true end
        if length > 0 then
          session.held[#session.held + 1] = seq
          session.bytes = session.bytes - length - entry_overhead
        end
      end
      found[#found + 1] = session
    end
    at = at + 2 + count
  end
  return found
end

local function take_held(session)
  if #session.held == 0 then return end
  redis.call('HDEL', session.q, unpack(session.held))
  if session.earliest then redis.call('ZREM', session.t, unpack(session.held)) end
end

local function noted(session)
  redis.call('HSET', session.s, 'qs', queue_text(session.next_seq, session.head, session.sent, session.bytes,
    session.releases, session.last_release, session.reserve, session.earliest))
end

local function ack(keys, args)
  for _, session in ipairs(sessions_of(keys, args)) do
    take_held(session)
    if session.releases > 0 then
      session.releases = session.releases - redis.call('ZREM', session.r, unpack(session.seqs))
    end
    session.head = advanced(session.q, session.r, session.head, session.next_seq, session.releases)
    noted(session)
  end
end

local function rec(keys, args)
  for _, session in ipairs(sessions_of(keys, args)) do
    if #session.held > 0 then
      take_held(session)
      local scored = {}
      for _, seq in ipairs(session.held) do
        session.last_release = session.last_release + 1
        scored[#scored + 1] = session.last_release
        scored[#scored + 1] = seq
      end
      session.releases = session.releases + redis.call('ZADD', session.r, 'NX', unpack(scored))
      noted(session)
    end
  end
end

register('ack', ack, { 'allow-oom' })
register('rec', rec, { 'allow-oom' })
