-- enqueue: stores many messages for many Sessions, in order, all or nothing.
--
-- KEYS  s u q of each Session; with ARGV 5, t behind them; with ARGV 6, d; with ARGV 7, h and hd last. What q's name has
--       beyond s's and a colon is the generation.
-- ARGV  1 now  2 messages a queue may hold  3 bytes  4 policy: drop-new, drop-old or refuse
--       5 1 if t is among the keys: a message expires  6 1 if d is: a message has a uid
--       7 1 if h and hd are: a message comes by a shared filter
--       8 how many Topic Filters  9 the plan  then the filters, then for each message its bytes, and with ARGV 6 its uid
--       or ''
-- Plan  little-endian; for each message:
--         1 flags (QoS + 4 retain + 8 if its publisher can be refused) · 6 when it expires in ms or 0 ·
--         4 how many targets, one at least; for each target:
--           4 number of its Session · 1 flags (1 if by a shared filter, its only one + 2 if the publisher's own + 4 if
--           only for a Client that is connected) · 4 how many filters · 4 the number of each filter, or one 0
-- Answers {'RETRY'} having written nothing, where a queue that is full may hold expired entries: t is needed; else
--       {{name of each owner}, the epoch of each Session and a space, {Subscription Identifiers as '7,9' …}, doubles}
--       Doubles: for each Session the number of its owner or 0; for each message 0 if it was refused as a whole, else
--       for each target its code + 16 × flags (QoS + 4 retain) + 128 if there is more:
--         1 queued, seq, sent; more: dropped, expired, number of the identifiers or 0
--         2 QoS 0; more: number of the identifiers    3 duplicate    4 no subscription    5 no session    6 skipped
--         7 full; more: expired    8 offline
-- Cost  about 5 calls for a Session, whatever it gets; bytes are copied once for each way to receive them

local code = {
  queued = 1, qos0 = 2, duplicate = 3, no_subscription = 4, no_session = 5, skipped = 6, full = 7, offline = 8,
}
local per_flags, has_more = 16, 128
--- rule: Shared groups. In `d` a uid whose message was refused, so that another member got it, has beside the time the code
--- of the refusal, in sixteenths of a millisecond: a repeat gets the same refusal, not a duplicate.
local refusal_unit = 1 / 16

--- rule: QoS 2. A message that is published again after this is another one, in milliseconds: a publisher may be away for
--- hours between a PUBLISH and its repeat. What is remembered is bounded by number as well.
local horizon_ms = 86400000
--- Uids remembered for a Session, or a partition of retained messages; more than can be on their way to it at once.
local seen_max = 10000
--- Heads of entries without Subscription Identifiers, by flags.
local plain_heads = {
  [0] = '\16\0', '\17\0', '\18\0', '\19\0', '\20\0', '\21\0', '\22\0', '\23\0',
}
--- Numbers packed by one call: what Lua may have on its stack at once.
local packed_max = 200

-- What follows reads, and works on copies; nothing is written before everything is decided.

--- What is known of a Session, or false if there is no such generation; besides its owner and epoch.
local function opened(keys, at, has_t, has_d, has_h)
  local s, u, q = keys[at], keys[at + 1], keys[at + 2]
  local f
  if has_h then f = redis.call('HMGET', s, 'g', 'own', 'ep', 'qs', 'dc')
  else f = redis.call('HMGET', s, 'g', 'own', 'ep', 'qs') end
  if f[1] ~= string.sub(q, #s + 2) then return false, '', '0' end
  local count = redis.call('HLEN', q)
  local t = has_t and keys[at + 3]
  local d = has_d and keys[at + (has_t and 4 or 3)]
  -- Whatever may be written is read first: a key that is no such thing is found before anything has changed.
  if t then redis.call('ZCARD', t) end
  if d then redis.call('ZCARD', d) end
  local h, hd, away_since
  if has_h then
    at = at + 3 + (has_t and 1 or 0) + (has_d and 1 or 0)
    h, hd, away_since = keys[at], keys[at + 1], tonumber(f[5])
    redis.call('ZCARD', h)
    redis.call('ZCARD', hd)
  end
  local next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest = queue_of(f[4])
  local owner = f[2]
  return {
    s = s, u = u, q = q, t = t, d = d, h = h, hd = hd, away_since = away_since, is_owned = owner ~= '', count = count,
    first = next_seq, next_seq = next_seq, head = head, sent = sent, bytes = bytes, releases = releases,
    last_release = last_release, reserve = reserve, oldest = oldest, earliest = earliest,
    -- To be stored: seq, entry, seq, entry …, from seq `first` on.
    entries = {}, changed = false,
    -- With the first of each: options by number of their filter, false where there are none; expiring (seq → ms), gone
    -- (those in the store), is_gone (seq → true), seen (uid → code of its refusal, or 0), uids, held (runs for h), listed (see room).
  }, owner, owner ~= '' and f[3] or '0'
end

--- The options of a filter: false if the Session has none.
local function options_of(work, session, filter)
  local options = session[filter]
  if options == nil then
    options = redis.call('HGET', session.u, work.args[work.filters_at + filter])
    session[filter] = options
  end
  return options
end

--- Asks for the options of all filters of a target but the first, in one call.
local function fetch_options(work, session, filters, at)
  local missing, names = {}, {}
  for n = 2, filters do
    local filter = struct.unpack('<I4', work.plan, at + 4 * n - 8)
    if session[filter] == nil then
      missing[#missing + 1] = filter
      names[#names + 1] = work.args[work.filters_at + filter]
    end
  end
  for from = 1, #names, 1000 do
    local found = redis.call('HMGET', session.u, unpack(names, from, math.min(#names, from + 999)))
    for n, options in ipairs(found) do session[missing[from + n - 1]] = options end
  end
end

--- What the Session would get of the message at hand: a code, and for one that it gets, flags and identifiers.
--- `at` is where the plan names the filters behind the first.
local function decided(work, session, target_flags, filters, filter, at)
  if not session then return code.no_session end
  local uid = work.uid
  if uid ~= '' then
    local refusal = session.seen and session.seen[uid]
    if not refusal then
      local seen_ms = redis.call('ZSCORE', session.d, uid)
      refusal = seen_ms and tonumber(seen_ms) % 1 / refusal_unit
    end
    work.is_known = refusal ~= false
    if work.is_known then return refusal == 0 and code.duplicate or refusal end
  end
  if filters > 1 then fetch_options(work, session, filters, at) end
  local found, qos, retain, identifiers = false, -1, false, nil
  for n = 1, filters do
    if n > 1 then filter, at = struct.unpack('<I4', work.plan, at) end
    local options = options_of(work, session, filter)
    if options then
      found = true
      -- The options are QoS, No Local, Retain As Published, Retain Handling, then the identifier.
      local granted, no_local, as_published = string.byte(options, 1, 3)
      if no_local ~= 49 or target_flags % 4 < 2 then -- [MQTT-3.8.3-3]
        if granted - 48 > qos then qos = granted - 48 end
        if work.retain and as_published == 49 then retain = true end
        if #options > 4 then
          local identifier = string.sub(options, 5)
          identifiers = identifiers and identifiers .. ',' .. identifier or identifier
        end
      end
    end
  end
  if not found then return code.no_subscription end
  if qos < 0 then return code.skipped end
  if target_flags >= 4 and not session.is_owned then return code.offline end
  if qos > work.qos then qos = work.qos end
  return qos == 0 and code.qos0 or code.queued, retain and qos + 4 or qos, identifiers
end

--- The entry of the message at hand; who receives it alike shares it. `shared` is the filter by which it comes, or nil.
local function entry_of(work, flags, identifiers, shared)
  local head
  if shared then head = string.char(entry_format + flags + 8) .. (identifiers or '') .. '\0' .. shared .. '\0'
  else head = identifiers and string.char(entry_format + flags) .. identifiers .. '\0' or plain_heads[flags] end
  if work.head ~= head then
    work.head = head
    work.entry = head .. work.bytes
  end
  return work.entry
end

--- The shared filter by which the message at hand comes to a target; nil if by none.
local function shared_of(work, target_flags, filter)
  return target_flags % 2 == 1 and work.args[work.filters_at + filter] or nil
end

--- Whether the message at hand would be refused for a full queue; expired entries make room first. Nil where t is needed.
local function overflows(work, session, target_flags, filters, filter, at)
  -- Where one member of a group has no room, another one may have it.
  if target_flags >= 4 or not session then return false end
  local outcome, flags, identifiers = decided(work, session, target_flags, filters, filter, at)
  if outcome ~= code.queued then return false end
  local size = #entry_of(work, flags, identifiers, shared_of(work, target_flags, filter)) + entry_overhead
  if not is_full(work, session, size) then return false end
  local expired = expired_of(session, work.now)
  if not expired then return nil end
  local count, bytes = session.count, session.bytes
  for _, each in ipairs(expired) do
    count = count - 1
    bytes = bytes - each.bytes
  end
  return count >= work.count_max or bytes + size > work.bytes_max
end

--- Remembers that the Session has had a message, or of one that another member is to have, by which code it was refused.
local function see(session, uid, refusal)
  own(session, 'seen')[uid] = refusal or 0
  local uids = own(session, 'uids')
  uids[#uids + 1] = uid
  session.changed = true
end

--- The number under which the answer names identifiers.
local function number_of(work, identifiers)
  if not identifiers then return 0 end
  local number = work.numbers[identifiers]
  if not number then
    number = #work.names + 1
    work.names[number] = identifiers
    work.numbers[identifiers] = number
  end
  return number
end

--- Names an entry as one that came by a shared filter.
local function hold(session, seq, qos, filter)
  local held = own(session, 'held')
  local run = held[#held]
  if run and run.last == seq - 1 and run.qos == qos and run.filter == filter then run.last = seq
  else held[#held + 1] = { first = seq, last = seq, qos = qos, filter = filter } end
end

--- Takes the entry in, if there is room. Answers whether that was decided; not where t is needed.
local function taken(work, session, flags, identifiers, shared, is_only_online)
  local entry, out = entry_of(work, flags, identifiers, shared), work.out
  local at = #out
  local size = #entry + entry_overhead
  local dropped, expired = 0, 0
  if is_full(work, session, size) then
    local has_room
    has_room, dropped, expired = made_room(work, session, size, is_only_online)
    if has_room == nil then return false end
    if not has_room then
      if is_only_online and work.uid ~= '' then see(session, work.uid, code.full) end
      if expired == 0 then
        out[at + 1] = code.full
      else
        out[at + 1], out[at + 2] = code.full + has_more, expired
      end
      return true
    end
  end
  if work.uid ~= '' then see(session, work.uid) end
  local seq, count = session.next_seq, session.count
  -- rule: st is a reservation. An owned Session that is nearly empty is reserved ahead, without a second call.
  if session.is_owned and count + session.releases < session.reserve and seq > session.sent then
    session.sent = seq + session.reserve
  end
  local entries = session.entries
  local last = #entries
  entries[last + 1], entries[last + 2] = seq, entry
  session.next_seq, session.count, session.bytes = seq + 1, count + 1, session.bytes + size
  session.changed = true
  if shared then hold(session, seq, flags % 4, shared) end
  if work.expires > 0 then
    own(session, 'expiring')[seq] = work.expires
    session.earliest = math.min(session.earliest or work.expires, work.expires)
  end
  out[at + 1], out[at + 2], out[at + 3] = code.queued + per_flags * flags, seq, session.sent
  if dropped > 0 or expired > 0 or identifiers then
    out[at + 1] = out[at + 1] + has_more
    out[at + 4], out[at + 5], out[at + 6] = dropped, expired, number_of(work, identifiers)
  end
  return true
end

-- What follows writes, and cannot fail: every key has been read, and memory is asked for before the function begins.

--- Remembers uids as long as anybody may publish their messages again.
local function remember(seen, uids, now, refusals)
  for _, uid in ipairs(uids) do
    local refusal = refusals and refusals[uid] or 0
    redis.call('ZADD', seen, refusal == 0 and now or string.format('%.4f', now + refusal * refusal_unit), uid)
  end
  redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - horizon_ms)
  redis.call('ZREMRANGEBYRANK', seen, 0, -seen_max - 1)
end

--- The entries that are to be stored, less those that made room for later ones.
local function remaining(session)
  if not session.is_gone then return session.entries end
  local entries = {}
  for at = 1, #session.entries, 2 do
    if not session.is_gone[session.entries[at]] then
      entries[#entries + 1] = session.entries[at]
      entries[#entries + 1] = session.entries[at + 1]
    end
  end
  return entries
end

--- What came by shared filters is named; where nobody is connected, others are to have it in time.
local function written_held(session, head, now)
  for _, run in ipairs(session.held) do
    redis.call('ZADD', session.h, run.last, string.format('%.0f %.0f %d %s', run.first, run.last, run.qos, run.filter))
  end
  redis.call('ZREMRANGEBYSCORE', session.h, '-inf', '(' .. whole(head))
  if session.is_owned then return end
  local client_id, generation = string.match(session.s, '}:(.*)$'), string.sub(session.q, #session.s + 2)
  redis.call('ZADD', session.hd, 'NX', math.max(now, session.away_since + away_ms), generation_id(client_id, generation))
end

local function written(session, now)
  local q, t, gone = session.q, session.t, session.gone
  if gone then
    for at = 1, #gone, 1000 do
      local last = math.min(#gone, at + 999)
      redis.call('HDEL', q, unpack(gone, at, last))
      if t then redis.call('ZREM', t, unpack(gone, at, last)) end
    end
  end
  local entries = remaining(session)
  for at = 1, #entries, 1000 do redis.call('HSET', q, unpack(entries, at, math.min(#entries, at + 999))) end
  for seq, expires in pairs(session.expiring or {}) do
    if not is_gone(session, seq) then redis.call('ZADD', t, expires, seq) end
  end
  if session.uids then remember(session.d, session.uids, now, session.seen) end
  local head = session.head
  -- Where PUBRELs are owed, their keys would be needed to see whether the head may move; then it waits for the next ack.
  if gone and session.releases == 0 then head = advanced(q, nil, head, session.next_seq, 0) end
  if session.held then written_held(session, head, now) end
  redis.call('HSET', session.s, 'qs', queue_text(session.next_seq, head, session.sent, session.bytes, session.releases,
    session.last_release, session.reserve, session.oldest, session.earliest))
end

local function packed(numbers)
  local parts = {}
  for at = 1, #numbers, packed_max do
    local last = math.min(#numbers, at + packed_max - 1)
    parts[#parts + 1] = struct.pack('<' .. string.rep('d', last - at + 1), unpack(numbers, at, last))
  end
  return table.concat(parts)
end

--- Opens all Sessions. Answers them, the names of their owners, and their epochs as the answer has them.
local function all_opened(work, keys, has_t, has_d, has_h)
  local sessions, owners, numbers, epochs, out = {}, {}, { [''] = 0 }, {}, work.out
  local i = 0
  for at = 1, #keys, 3 + (has_t and 1 or 0) + (has_d and 1 or 0) + (has_h and 2 or 0) do
    i = i + 1
    local owner
    sessions[i], owner, epochs[i] = opened(keys, at, has_t, has_d, has_h)
    local number = numbers[owner]
    if not number then
      number = #owners + 1
      owners[number] = owner
      numbers[owner] = number
    end
    out[i] = number
  end
  epochs[i + 1] = ''
  return sessions, owners, table.concat(epochs, ' ')
end

--- Whether the message at hand has to be refused as a whole; nil where t is needed.
local function refused(work, sessions, at, targets)
  for _ = 1, targets do
    local number, flags, filters, filter, behind_first = struct.unpack('<I4BI4I4', work.plan, at)
    local overflow = overflows(work, sessions[number], flags, filters, filter, behind_first)
    if overflow ~= false then return overflow end
    at = behind_first + 4 * math.max(0, filters - 1)
  end
  return false
end

local function enqueue(keys, args)
  local plan, has_d, filter_count = args[9], args[6] == '1', tonumber(args[8])
  local out = {}
  -- What all steps know, and of the message at hand bytes, uid and what the plan says.
  local work = {
    now = now_ms(args[1]), count_max = tonumber(args[2]), bytes_max = tonumber(args[3]), policy = args[4],
    args = args, plan = plan, filters_at = 9, out = out, names = {}, numbers = {},
    uid = '', is_known = false, bytes = '', qos = 0, retain = false, expires = 0, head = '', entry = '',
  }
  local sessions, owners, epochs = all_opened(work, keys, args[5] == '1', has_d, args[7] == '1')

  local unpacked = struct.unpack
  local at = 1
  for n = 10 + filter_count, #args, has_d and 2 or 1 do
    local flags, targets
    flags, work.expires, targets, at = unpacked('<BI6I4', plan, at)
    work.bytes, work.head = args[n], ''
    if has_d then work.uid = args[n + 1] end
    work.qos, work.retain = flags % 4, flags % 8 >= 4
    local is_refused = false
    if flags >= 8 and work.policy == 'refuse' then
      is_refused = refused(work, sessions, at, targets)
      if is_refused == nil then return { 'RETRY' } end
      if is_refused then out[#out + 1] = 0 end
    end
    for _ = 1, targets do
      local number, target_flags, filters, filter, behind_first = unpacked('<I4BI4I4', plan, at)
      if not is_refused then
        local session = sessions[number]
        local outcome, entry_flags, identifiers = decided(work, session, target_flags, filters, filter, behind_first)
        if outcome == code.queued then
          local shared
          if target_flags % 2 == 1 then shared = args[9 + filter] end
          if not taken(work, session, entry_flags, identifiers, shared, target_flags >= 4) then return { 'RETRY' } end
        elseif outcome == code.qos0 then
          if work.uid ~= '' then see(session, work.uid) end
          local last = #out
          out[last + 1] = code.qos0 + per_flags * entry_flags
          if identifiers then
            out[last + 1] = out[last + 1] + has_more
            out[last + 2] = number_of(work, identifiers)
          end
        else
          local is_refusal = outcome == code.offline or outcome == code.no_subscription
          if is_refusal and target_flags >= 4 and work.uid ~= '' and not work.is_known then see(session, work.uid, outcome) end
          out[#out + 1] = outcome
        end
      end
      at = filters > 1 and behind_first + 4 * (filters - 1) or behind_first
    end
  end

  for _, session in ipairs(sessions) do
    if session and session.changed then written(session, work.now) end
  end
  return { owners, epochs, work.names, packed(out) }
end

register('enqueue', enqueue)
