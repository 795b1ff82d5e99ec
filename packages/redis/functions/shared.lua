-- Shared Subscriptions: who gets a message, and what members leave behind for others.
--
-- shared_choose: agrees on who gets messages that may be published again. The first choice stands until it is replaced by
--   name.
--   KEYS hu hz of each bucket    ARGV 1 now  then for each: number of its bucket, uid\0filter, member, whom it replaces or ''
--   Answers for each who is chosen now
-- shared_due: which generations of some buckets are to be looked at.
--   KEYS hd of each bucket    ARGV 1 now  2 at most so many of each
--   Answers for each bucket {ms until the next after these, or '', {generation\0clientId …}}
-- shared_look: what there is of generations that others may have.
--   KEYS s q h y hd e of each    ARGV 1 now  then for each: clientId, generation
--   Answers for each {1 if it is over, filter …}; else 1 if it is over and to be dismantled, 0 if there is nothing now
-- shared_take: takes messages out of a queue, or takes them again whose claim ran out.
--   KEYS 1 s  2 q  3 r  4 t  5 h  6 y  7 hd  8 e
--   ARGV 1 now  2 clientId  3 generation  4 at most so many  then the filters
--   Answers {seq, entry …} in order
-- shared_done: forgets what was taken: others have it.
--   KEYS s q h y hd e of each    ARGV 1 now  then for each: clientId, generation, how many seqs, the seqs
--   Answers for each 1 if it is over and to be dismantled, or 0
-- shared_pass: nobody else could have what a generation holds.
--   KEYS s q h y hd e    ARGV 1 now  2 clientId  3 generation  4 1 if that is known to be over
--   Answers 1 if it is over and to be dismantled, or 0
-- Cost  O(messages), and O(generations looked at), each up to 4096 of its messages

--- Choices remembered in a bucket; with 1024 buckets, more than can be under way at once. One costs 150 bytes or more.
local choices_max = 1000

local function shared_choose(keys, args)
  local now = now_ms(args[1])
  local known, changed, answer = {}, {}, {}
  for at = 2, #args, 4 do
    local bucket, name, member, instead = tonumber(args[at]), args[at + 1], args[at + 2], args[at + 3]
    local hu, hz = keys[bucket * 2 - 1], keys[bucket * 2]
    local chosen = known[name]
    if chosen == nil then
      chosen = redis.call('HGET', hu, name)
      local since = redis.call('ZSCORE', hz, name)
      if not since or tonumber(since) <= now - horizon_ms then chosen = false end
    end
    if not chosen or chosen == instead then
      chosen = member
      changed[#changed + 1] = { hu = hu, hz = hz, name = name, member = member }
    end
    known[name] = chosen
    answer[#answer + 1] = chosen
  end
  local pruned = {}
  for _, each in ipairs(changed) do
    redis.call('HSET', each.hu, each.name, each.member)
    redis.call('ZADD', each.hz, now, each.name)
    if not pruned[each.hz] then
      pruned[each.hz] = true
      local old = redis.call('ZRANGEBYSCORE', each.hz, '-inf', now - horizon_ms, 'LIMIT', 0, 64)
      if #old == 0 and redis.call('ZCARD', each.hz) > choices_max then old = redis.call('ZRANGE', each.hz, 0, 63) end
      if #old > 0 then
        redis.call('HDEL', each.hu, unpack(old))
        redis.call('ZREM', each.hz, unpack(old))
      end
    end
  end
  return answer
end

local function shared_due(keys, args)
  local now, limit = now_ms(args[1]), tonumber(args[2])
  local answer = {}
  for _, hd in ipairs(keys) do
    local due = redis.call('ZRANGEBYSCORE', hd, '-inf', now, 'LIMIT', 0, limit)
    local following = redis.call('ZRANGEBYSCORE', hd, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    answer[#answer + 1] = { following[2] and whole(following[2] - now) or '', due }
  end
  return answer
end

--- A generation as its keys tell of it; its number among those of a call begins at 1.
local function holder(keys, number, client_id, generation)
  local s, q, h, y, hd, e = unpack(keys, number * 6 - 5, number * 6)
  local id = generation_id(client_id, generation)
  local f = redis.call('HMGET', s, 'g', 'own', 'qs', 'dc')
  local state = redis.call('HGET', e, id)
  local waits, sent = waits_of(state)
  local is_here = not waits and f[1] == generation
  if is_here then
    local _
    _, _, sent = queue_of(f[3])
  end
  return {
    q = q, h = h, y = y, hd = hd, e = e, id = id, state = state, waits = waits, sent = sent,
    exists = waits or is_here,
    -- From when on others may have what the queue holds; nil while its Client is connected.
    left_at = waits and 0 or (is_here and f[2] == '' and f[4] + away_ms) or nil,
  }
end

--- Says when a generation is to be looked at next; one that is over and holds nothing more is to be dismantled. Answers
--- whether it is.
local function settle_holder(of, look_at)
  if look_at then redis.call('ZADD', of.hd, look_at, of.id)
  else redis.call('ZREM', of.hd, of.id) end
  if not of.waits then return 0 end
  if look_at then
    -- What nobody had looked at is known now.
    redis.call('HSET', of.e, of.id, 'w' .. whole(of.sent))
    return 0
  end
  redis.call('HSET', of.e, of.id, '1')
  return 1
end

--- When a generation is to be looked at next: for what the queue still holds, once the Client has been away long enough;
--- for what was taken, once its taker's time is over.
local function with_rest(of, is_left, claimed_until, now)
  if not is_left then return claimed_until end
  local rest_at = math.max(now, of.left_at)
  return math.min(claimed_until or rest_at, rest_at)
end

local function look_at_one(of, now)
  if not of.exists then
    redis.call('ZREM', of.hd, of.id)
    return of.state == '1' and 1 or 0
  end
  local due = redis.call('ZSCORE', of.hd, of.id)
  if not due or tonumber(due) > now then return 0 end
  local filters, named, following, gone = { of.waits and 1 or 0 }, {}, nil, {}
  local function name(filter)
    if not named[filter] then
      named[filter] = true
      filters[#filters + 1] = filter
    end
  end
  for _, value in ipairs(redis.call('HVALS', of.y)) do
    local claimed_until = struct.unpack('<I6', value)
    if claimed_until <= now then name(shared_filter_of(string.sub(value, claim_bytes + 1))) end
    following = math.min(following or claimed_until, claimed_until)
  end
  if of.left_at and of.left_at <= now then
    local is_more
    gone, is_more = each_held(of.q, of.h, of.sent, function(_, filter) name(filter) end, named)
    if is_more then following = now end
  elseif of.left_at and holds_any(of.q, of.h, of.sent) then
    following = math.min(following or of.left_at, of.left_at)
  end
  forget_held(of.h, gone)
  if #filters == 1 then return settle_holder(of, following) end
  settle_holder(of, tonumber(due))
  return filters
end

local function shared_look(keys, args)
  local now = now_ms(args[1])
  local answer = {}
  for number = 1, #keys / 6 do
    answer[number] = look_at_one(holder(keys, number, args[number * 2], args[number * 2 + 1]), now)
  end
  return answer
end

--- Those of a generation's messages that may be taken now, in order: {seq, entry if it was taken before}.
local function takeable(of, wanted, limit, now)
  local found, following = {}, nil
  local taken = redis.call('HGETALL', of.y)
  for at = 1, #taken, 2 do
    local claimed_until, entry = struct.unpack('<I6', taken[at + 1]), string.sub(taken[at + 1], claim_bytes + 1)
    if claimed_until <= now and wanted[shared_filter_of(entry)] then
      found[#found + 1] = { seq = tonumber(taken[at]), entry = entry, claimed_until = claimed_until }
    else
      following = math.min(following or claimed_until, claimed_until)
    end
  end
  local gone, fresh, is_more, is_beyond = {}, 0, false, false
  if of.left_at then
    gone, is_beyond = each_held(of.q, of.h, of.sent, function(seq, filter)
      if not wanted[filter] or fresh == limit then
        is_more = true
        return fresh == limit
      end
      fresh = fresh + 1
      found[#found + 1] = { seq = seq }
    end)
  end
  table.sort(found, function(one, other) return one.seq < other.seq end)
  for at = #found, limit + 1, -1 do
    local cut = table.remove(found, at)
    if cut.entry then following = math.min(following or cut.claimed_until, cut.claimed_until)
    else is_more = true end
  end
  return found, following, gone, is_more or is_beyond
end

local function shared_take(keys, args)
  local s, q, r, t, h, y, hd, e = unpack(keys)
  local now, client_id, generation, limit = now_ms(args[1]), args[2], args[3], tonumber(args[4])
  local of = holder({ s, q, h, y, hd, e }, 1, client_id, generation)
  if not of.exists then return {} end
  local wanted = {}
  for at = 5, #args do wanted[args[at]] = true end
  local found, following, gone, is_more = takeable(of, wanted, limit, now)
  if #found == 0 then return {} end
  -- Whatever may be written is read first: a key that is no such thing is found before anything has changed.
  redis.call('ZCARD', r)
  redis.call('ZCARD', t)

  local answer, fresh, written, bytes = {}, {}, {}, 0
  for _, each in ipairs(found) do
    local entry = each.entry
    if not entry then
      entry = redis.call('HGET', q, each.seq)
      fresh[#fresh + 1] = each.seq
      bytes = bytes + #entry + entry_overhead
    end
    written[#written + 1] = each.seq
    written[#written + 1] = struct.pack('<I6', now + taken_ms) .. entry
    answer[#answer + 1] = each.seq
    answer[#answer + 1] = entry
  end
  for at = 1, #fresh, 1000 do
    local last = math.min(#fresh, at + 999)
    redis.call('HDEL', q, unpack(fresh, at, last))
    redis.call('ZREM', t, unpack(fresh, at, last))
  end
  for at = 1, #written, 1000 do redis.call('HSET', y, unpack(written, at, math.min(#written, at + 999))) end
  forget_held(h, gone)
  if not of.waits then
    local next_seq, head, sent, all_bytes, releases, last_release, reserve, oldest, earliest =
      queue_of(redis.call('HGET', s, 'qs'))
    head = advanced(q, r, head, next_seq, releases)
    redis.call('HSET', s, 'qs', queue_text(next_seq, head, sent, all_bytes - bytes, releases, last_release, reserve,
      oldest, earliest))
  end
  following = math.min(following or now + taken_ms, now + taken_ms)
  settle_holder(of, with_rest(of, is_more, following, now))
  return answer
end

local function shared_done(keys, args)
  local now = now_ms(args[1])
  local answer, at = {}, 2
  for number = 1, #keys / 6 do
    local of = holder(keys, number, args[at], args[at + 1])
    local count = tonumber(args[at + 2])
    answer[number] = 0
    if of.exists and redis.call('HDEL', of.y, unpack(args, at + 3, at + 2 + count)) > 0 then
      local following = claims_end(of.y)
      local is_left, gone = false, {}
      if of.left_at then is_left, gone = holds_any(of.q, of.h, of.sent) end
      forget_held(of.h, gone)
      answer[number] = settle_holder(of, with_rest(of, is_left, following, now))
    end
    at = at + 3 + count
  end
  return answer
end

local function shared_pass(keys, args)
  local now = now_ms(args[1])
  local of = holder(keys, 1, args[2], args[3])
  redis.call('ZCARD', of.hd)
  if not of.waits then
    redis.call('ZADD', of.hd, 'XX', now + away_ms, of.id)
    return 0
  end
  -- It has ended since it was named: others may have now what only those who were there could have then.
  if args[4] ~= '1' then return 0 end
  -- All that nobody is about to give to others goes with the queue, and is counted with it.
  local back, claimed_until = {}, nil
  local taken = redis.call('HGETALL', of.y)
  for at = 1, #taken, 2 do
    local ends = struct.unpack('<I6', taken[at + 1])
    if ends <= now then back[#back + 1] = { seq = taken[at], entry = string.sub(taken[at + 1], claim_bytes + 1) }
    else claimed_until = math.min(claimed_until or ends, ends) end
  end
  redis.call('HLEN', of.q)
  for _, each in ipairs(back) do
    redis.call('HSET', of.q, each.seq, each.entry)
    redis.call('HDEL', of.y, each.seq)
  end
  redis.call('UNLINK', of.h)
  return settle_holder(of, claimed_until)
end

register('shared_choose', shared_choose)
register('shared_due', shared_due, { 'no-writes' })
register('shared_look', shared_look, { 'allow-oom' })
register('shared_take', shared_take, { 'allow-oom' })
register('shared_done', shared_done, { 'allow-oom' })
register('shared_pass', shared_pass, { 'allow-oom' })
