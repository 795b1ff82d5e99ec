-- enqueue: stores many messages for many Sessions, in order, all or nothing.
--
-- KEYS  s u q of each Session; with ARGV 5, t behind them; with ARGV 6, d last
-- ARGV  1 now  2 messages a queue may hold  3 bytes  4 policy: drop-new, drop-old or refuse
--       5 1 if t is among the keys: a message expires  6 1 if d is: a message has a uid  7 how many Sessions
--       then the generation of each Session
--       then for each message: its bytes, flags (QoS + 4 retain + 8 if its publisher can be refused), when it expires
--         in ms or 0, number of the publisher's own Session or 0, uid or '', how many targets,
--         for each target: number of its Session, flags (1 if a retained message for a new Subscription), how many
--           filters, filters
-- Answers {'RETRY'} having written nothing, where a queue that is full may hold expired entries: t is needed; else
--       {{owner or '', epoch for each Session}, {Subscription Identifiers as '7,9' …},
--        {for each message 0 if it was refused as a whole, else for each target one of
--           1 queued, seq, sent, dropped, expired, flags (QoS + 4 retain), number of the identifiers or 0
--           2 QoS 0, flags, number of the identifiers or 0    3 duplicate    4 no subscription    5 no session
--           6 skipped    7 full, expired}}
-- Cost  about 5 calls for a Session and 1 for each of its messages; bytes are copied once for each way to receive them

local code = { refused = 0, queued = 1, qos0 = 2, duplicate = 3, no_subscription = 4, no_session = 5, skipped = 6, full = 7 }

--- rule: QoS 2. Nobody publishes a message again after this, in milliseconds.
local horizon_ms = 300000
--- Uids remembered for a Session; more than can be on their way to it at once.
local seen_max = 10000
--- The layout of an entry's head, in its first four bits.
local entry_format = 16
--- Later than anything expires: the earliest expiry where t may hold entries that no time will remove any more.
local never_ms = 9e14

-- What follows reads, and works on copies; nothing is written before everything is decided.

local nothing = {}

local function opened(s, u, q, t, d, generation)
  local f = redis.call('HMGET', s, 'g', 'own', 'ep', 'qs')
  if f[1] ~= generation then return { owner = '', epoch = '' } end
  local held = redis.call('HLEN', q)
  if t then redis.call('ZCARD', t) end
  if d then redis.call('ZCARD', d) end
  local next_seq, head, sent, bytes, releases, last_release, reserve, earliest = queue_of(f[4])
  return {
    lives = true, s = s, u = u, q = q, t = t, d = d, owner = f[2], epoch = f[2] ~= '' and f[3] or '',
    next_seq = next_seq, head = head, sent = sent, bytes = bytes, releases = releases, last_release = last_release,
    reserve = reserve, earliest = earliest, count = held,
    -- By seq or uid, and empty mostly: each becomes a table of the Session's own with its first entry.
    added = nothing, expiring = nothing, gone = nothing, is_gone = nothing, seen = nothing, uids = nothing,
    changed = false,
  }
end

local function own(session, name)
  if session[name] == nothing then session[name] = {} end
  return session[name]
end

--- What the Session would get: a code, and for one that it gets, flags, identifiers and the entry to be stored.
local function decided(session, message, target)
  if not session.lives then return code.no_session end
  if message.uid ~= '' and (session.seen[message.uid] or redis.call('ZSCORE', session.d, message.uid)) then
    return code.duplicate
  end
  if #target.filters == 0 then return code.no_subscription end
  local options = target.filters[2] and redis.call('HMGET', session.u, unpack(target.filters))
    or { redis.call('HGET', session.u, target.filters[1]) }
  local found, qos, retain, identifiers = false, -1, target.retained, nil
  for _, each in ipairs(options) do
    if each then
      found = true
      -- The options are QoS, No Local, Retain As Published, Retain Handling, then the identifier.
      local granted, no_local, as_published = string.byte(each, 1, 3)
      if not (no_local == 49 and message.own == target.session) then -- [MQTT-3.8.3-3]
        qos = math.max(qos, granted - 48)
        if message.retain and as_published == 49 then retain = true end
        if #each > 4 then
          local identifier = string.sub(each, 5)
          identifiers = identifiers and identifiers .. ',' .. identifier or identifier
        end
      end
    end
  end
  if not found then return code.no_subscription end
  if qos < 0 then return code.skipped end
  qos = math.min(qos, message.qos)
  local flags = qos + (retain and 4 or 0)
  if qos == 0 then return code.qos0, flags, identifiers or '' end
  local head = string.char(entry_format + flags) .. (identifiers or '') .. '\0'
  local entry = message.entries[head]
  if not entry then
    entry = head .. message.bytes
    message.entries[head] = entry
  end
  return code.queued, flags, identifiers or '', entry
end

local function is_full(session, entry, limits)
  return session.count >= limits.count or session.bytes + #entry + entry_overhead > limits.bytes
end

local function size_of(session, seq)
  local added = session.added[seq]
  if added then return #added + entry_overhead end
  return redis.call('HSTRLEN', session.q, seq) + entry_overhead
end

--- Entries that have expired and certainly were not sent: {seq, bytes …}. Nil where t is needed to say.
local function expired_of(session, now)
  if not session.earliest or session.earliest > now then return nothing end
  if not session.t then return nil end
  local found = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', session.t, '-inf', now)) do
    local seq = tonumber(member)
    if seq > session.sent and not session.is_gone[seq] then found[#found + 1] = seq end
  end
  for seq, expires in pairs(session.expiring) do
    if expires <= now and seq > session.sent and not session.is_gone[seq] then found[#found + 1] = seq end
  end
  local sized = {}
  for _, seq in ipairs(found) do
    local size = size_of(session, seq)
    if size > entry_overhead then sized[#sized + 1] = { seq = seq, bytes = size } end
  end
  return sized
end

--- Works out anew when something will expire next, after everything has gone that could.
local function look_ahead(session, now)
  if not session.earliest or session.earliest > now then return end
  local following = redis.call('ZRANGEBYSCORE', session.t, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  session.earliest = following[2] and tonumber(following[2]) or never_ms
  for _, expires in pairs(session.expiring) do
    if expires > now then session.earliest = math.min(session.earliest, expires) end
  end
  session.changed = true
end

local function remove(session, seq, bytes)
  own(session, 'is_gone')[seq] = true
  if session.added[seq] then
    session.added[seq] = nil
  else
    local gone = own(session, 'gone')
    gone[#gone + 1] = seq
  end
  session.count = session.count - 1
  session.bytes = session.bytes - bytes
end

--- The oldest entry that certainly was not sent goes. Answers whether there was one.
local function remove_oldest(session)
  for seq = math.max(session.head, session.sent + 1), session.next_seq - 1 do
    if not session.is_gone[seq] then
      local bytes = size_of(session, seq)
      if bytes > entry_overhead then
        remove(session, seq, bytes)
        return true
      end
    end
  end
  return false
end

--- Whether a message would be refused for a full queue; expired entries make room first. Nil where t is needed.
local function overflows(session, message, target, limits, now)
  if target.retained or not session.lives then return false end
  local outcome, _, _, entry = decided(session, message, target)
  if outcome ~= code.queued or not is_full(session, entry, limits) then return false end
  local expired = expired_of(session, now)
  if not expired then return nil end
  local count, bytes = session.count, session.bytes
  for _, each in ipairs(expired) do
    count = count - 1
    bytes = bytes - each.bytes
  end
  return count >= limits.count or bytes + #entry + entry_overhead > limits.bytes
end

local function see(session, uid)
  if uid == '' then return end
  own(session, 'seen')[uid] = true
  local uids = own(session, 'uids')
  uids[#uids + 1] = uid
  session.changed = true
end

--- Makes room and takes the entry in. Answers whether it was decided; not where t is needed.
local function taken(session, message, target, limits, now, flags, identifiers, entry, out)
  local expired, dropped = 0, 0
  if is_full(session, entry, limits) then
    local found = expired_of(session, now)
    if not found then return false end
    for _, each in ipairs(found) do remove(session, each.seq, each.bytes) end
    expired = #found
    look_ahead(session, now)
    if not target.retained then
      while is_full(session, entry, limits) do
        if limits.policy ~= 'drop-old' or not remove_oldest(session) then
          out[#out + 1] = code.full
          out[#out + 1] = expired
          session.changed = session.changed or dropped > 0
          return true
        end
        if session.earliest and not session.t then return false end
        dropped = dropped + 1
      end
    end
  end
  see(session, message.uid)
  local seq = session.next_seq
  -- rule: st is a reservation. An owned Session that is nearly empty is reserved ahead, without a second call.
  if session.owner ~= '' and session.count + session.releases < session.reserve and seq > session.sent then
    session.sent = seq + session.reserve
  end
  own(session, 'added')[seq] = entry
  session.next_seq = seq + 1
  session.count = session.count + 1
  session.bytes = session.bytes + #entry + entry_overhead
  session.changed = true
  if message.expires > 0 then
    own(session, 'expiring')[seq] = message.expires
    session.earliest = math.min(session.earliest or message.expires, message.expires)
  end
  local at = #out
  out[at + 1], out[at + 2], out[at + 3], out[at + 4] = code.queued, seq, session.sent, dropped
  out[at + 5], out[at + 6], out[at + 7] = expired, flags, identifiers
  return true
end

-- What follows writes, and cannot fail: every key has been read, and memory is asked for before the function begins.

local function written(session, now)
  if #session.gone > 0 then
    for at = 1, #session.gone, 1000 do
      local last = math.min(#session.gone, at + 999)
      redis.call('HDEL', session.q, unpack(session.gone, at, last))
      if session.t then redis.call('ZREM', session.t, unpack(session.gone, at, last)) end
    end
  end
  local entries = {}
  for seq, entry in pairs(session.added) do
    entries[#entries + 1] = seq
    entries[#entries + 1] = entry
    if #entries == 1000 then
      redis.call('HSET', session.q, unpack(entries))
      entries = {}
    end
  end
  if #entries > 0 then redis.call('HSET', session.q, unpack(entries)) end
  for seq, expires in pairs(session.expiring) do
    if session.added[seq] then redis.call('ZADD', session.t, expires, seq) end
  end
  if #session.uids > 0 then
    for _, uid in ipairs(session.uids) do redis.call('ZADD', session.d, now, uid) end
    redis.call('ZREMRANGEBYSCORE', session.d, '-inf', now - horizon_ms)
    redis.call('ZREMRANGEBYRANK', session.d, 0, -seen_max - 1)
  end
  local head = session.head
  -- Where PUBRELs are owed, their keys would be needed to see whether the head may move; then it waits for the next ack.
  if #session.gone > 0 and session.releases == 0 then head = advanced(session.q, nil, head, session.next_seq, 0) end
  redis.call('HSET', session.s, 'qs', queue_text(session.next_seq, head, session.sent, session.bytes, session.releases,
    session.last_release, session.reserve, session.earliest))
end

local function enqueue(keys, args)
  local now = now_ms(args[1])
  local limits = { count = tonumber(args[2]), bytes = tonumber(args[3]), policy = args[4] }
  local has_t, has_d, count = args[5] == '1', args[6] == '1', tonumber(args[7])
  local stride = 3 + (has_t and 1 or 0) + (has_d and 1 or 0)
  local sessions, owners = {}, {}
  for i = 1, count do
    local at = (i - 1) * stride
    local session = opened(keys[at + 1], keys[at + 2], keys[at + 3], has_t and keys[at + 4], has_d and keys[at + stride], args[7 + i])
    sessions[i] = session
    owners[#owners + 1] = session.owner
    owners[#owners + 1] = session.epoch
  end

  local out, names, numbers = {}, {}, {}
  local function number_of(identifiers)
    if identifiers == '' then return 0 end
    if not numbers[identifiers] then
      names[#names + 1] = identifiers
      numbers[identifiers] = #names
    end
    return numbers[identifiers]
  end

  local at = 8 + count
  while at <= #args do
    local flags = tonumber(args[at + 1])
    local message = {
      bytes = args[at], qos = flags % 4, retain = flags % 8 >= 4, expires = tonumber(args[at + 2]),
      own = tonumber(args[at + 3]), uid = args[at + 4], entries = {},
    }
    local targets = {}
    local target_count = tonumber(args[at + 5])
    at = at + 6
    for i = 1, target_count do
      local filter_count = tonumber(args[at + 2])
      local filters = {}
      for n = 1, filter_count do filters[n] = args[at + 2 + n] end
      targets[i] = { session = tonumber(args[at]), retained = args[at + 1] == '1', filters = filters }
      at = at + 3 + filter_count
    end

    local refused = false
    if flags >= 8 and limits.policy == 'refuse' then
      for _, target in ipairs(targets) do
        local overflow = overflows(sessions[target.session], message, target, limits, now)
        if overflow == nil then return { 'RETRY' } end
        refused = refused or overflow
      end
    end
    if refused then
      out[#out + 1] = code.refused
    else
      for _, target in ipairs(targets) do
        local session = sessions[target.session]
        local outcome, entry_flags, identifiers, entry = decided(session, message, target)
        if outcome == code.queued then
          if not taken(session, message, target, limits, now, entry_flags, number_of(identifiers), entry, out) then
            return { 'RETRY' }
          end
        else
          out[#out + 1] = outcome
          if outcome == code.qos0 then
            see(session, message.uid)
            out[#out + 1] = entry_flags
            out[#out + 1] = number_of(identifiers)
          end
        end
      end
    end
  end

  for _, session in ipairs(sessions) do
    if session.changed then written(session, now) end
  end
  return { owners, names, out }
end

register('enqueue', enqueue)
