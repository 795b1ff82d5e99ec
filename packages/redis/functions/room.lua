-- Room in a queue that is full, as enqueue makes it: what has expired goes first, then, if the policy says so, the oldest.
-- Nothing goes that may have been sent [rule: st is a reservation]. All of it happens to copies; enqueue writes them.

--- Later than anything expires: the earliest expiry where t may hold entries that no time will remove any more.
local never_ms = 9e14

local function is_full(work, session, size)
  return session.count >= work.count_max or session.bytes + size > work.bytes_max
end

local function size_of(session, seq)
  if seq >= session.first then return #session.entries[(seq - session.first + 1) * 2] + entry_overhead end
  return redis.call('HSTRLEN', session.q, seq) + entry_overhead
end

local function own(session, name)
  session[name] = session[name] or {}
  return session[name]
end

local function is_gone(session, seq)
  return session.is_gone and session.is_gone[seq]
end

--- Entries that have expired and certainly were not sent: {{seq, bytes} …}. Nil where t is needed to say.
local function expired_of(session, now)
  if not session.earliest or session.earliest > now then return {} end
  if not session.t then return nil end
  local found = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', session.t, '-inf', now)) do
    local seq = tonumber(member)
    if seq > session.sent and not is_gone(session, seq) then found[#found + 1] = seq end
  end
  for seq, expires in pairs(session.expiring or {}) do
    if expires <= now and seq > session.sent and not is_gone(session, seq) then found[#found + 1] = seq end
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
  for _, expires in pairs(session.expiring or {}) do
    if expires > now then session.earliest = math.min(session.earliest, expires) end
  end
  session.changed = true
end

local function remove(session, seq, bytes)
  own(session, 'is_gone')[seq] = true
  if seq < session.first then
    local gone = own(session, 'gone')
    gone[#gone + 1] = seq
  end
  session.count = session.count - 1
  session.bytes = session.bytes - bytes
end

--- The seqs that the store has from one on, in order, and how many of them are passed.
local function listed_from(session, from)
  local seqs = {}
  for _, field in ipairs(redis.call('HKEYS', session.q)) do
    local seq = tonumber(field)
    if seq >= from then seqs[#seqs + 1] = seq end
  end
  table.sort(seqs)
  return { seqs = seqs, passed = 0 }
end

--- The next seq of a list that is not below another; the first of this call where the list has ended.
local function listed_after(session, from)
  local listed = session.listed
  local seqs, at = listed.seqs, listed.passed + 1
  while seqs[at] and seqs[at] < from do at = at + 1 end
  listed.passed = at - 1
  return seqs[at] or math.max(from, session.first)
end

--- The oldest entry that certainly was not sent, and its bytes; nil if there is none.
--
-- An entry that stays in flight holds the head back, and whatever is dropped behind it leaves a hole: there may be
-- millions. So a search begins where the last one ended; and where `sent` has moved down meanwhile, so that it begins
-- before holes again, it asks for all seqs rather than for more single ones than there are entries.
local function oldest_unsent(session)
  local seq = math.max(session.head, session.sent + 1, session.oldest)
  local steps = session.count
  while seq < session.next_seq do
    if seq < session.first then
      if steps == 0 and not session.listed then session.listed = listed_from(session, seq) end
      if session.listed then seq = listed_after(session, seq) end
      steps = steps - 1
    end
    if seq < session.next_seq and not is_gone(session, seq) then
      local bytes = size_of(session, seq)
      if bytes > entry_overhead then return seq, bytes end
    end
    seq = seq + 1
  end
  return nil
end

--- The oldest entry that certainly was not sent goes. Answers whether there was one.
local function remove_oldest(session)
  local seq, bytes = oldest_unsent(session)
  if seq then
    remove(session, seq, bytes)
    session.oldest = seq + 1
    return true
  end
  if session.oldest < session.next_seq then
    session.oldest = session.next_seq
    session.changed = true
  end
  return false
end

--- Makes room for an entry: whether there is any, how many were dropped, how many had expired. Nil where t is needed.
--- Where another member of a group may have it, nothing is dropped for it.
local function made_room(work, session, size, is_only_online)
  local found = expired_of(session, work.now)
  if not found then return nil end
  for _, each in ipairs(found) do remove(session, each.seq, each.bytes) end
  look_ahead(session, work.now)
  local dropped = 0
  while is_full(work, session, size) do
    local may_drop = work.policy == 'drop-old' and not is_only_online and size <= work.bytes_max
    if not (may_drop and remove_oldest(session)) then
      if dropped > 0 then session.changed = true end
      return false, dropped, #found
    end
    if session.earliest and not session.t then return nil end
    dropped = dropped + 1
  end
  return true, dropped, #found
end
