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

--- The oldest entry that certainly was not sent goes. Answers whether there was one.
local function remove_oldest(session)
  for seq = math.max(session.head, session.sent + 1), session.next_seq - 1 do
    if not is_gone(session, seq) then
      local bytes = size_of(session, seq)
      if bytes > entry_overhead then
        remove(session, seq, bytes)
        return true
      end
    end
  end
  return false
end

--- Makes room for an entry: whether there is any, how many were dropped, how many had expired. Nil where t is needed.
local function made_room(work, session, size, is_retained)
  local found = expired_of(session, work.now)
  if not found then return nil end
  for _, each in ipairs(found) do remove(session, each.seq, each.bytes) end
  look_ahead(session, work.now)
  local dropped = 0
  while not is_retained and is_full(work, session, size) do
    if work.policy ~= 'drop-old' or not remove_oldest(session) then
      if dropped > 0 then session.changed = true end
      return false, dropped, #found
    end
    if session.earliest and not session.t then return nil end
    dropped = dropped + 1
  end
  return true, dropped, #found
end
