-- release: lets a Session go when its Network Connection has ended; decides its Will and whether it lives on.
-- abandon: the same for an acquire that nobody heard of, known by its nonce: without a Will, and those it was to
--          publish are due again.
--
-- KEYS  1 s  2 b  3 x  4 wd  5 wc  6 w  7 e  8 o  9 hd
--       10 u  11 q  12 r  13 t  14 i  15 d  16 h  17 y  18 c    of the generation
-- ARGV  release: 1 now  2 clientId  3 generation  4 epoch  5 Session Expiry Interval  6 'publish' or 'drop'  7 sent
--       abandon: 1 now  2 clientId  3 nonce  4 generation guessed, or '' with keys 1 to 9 only
-- Answers release: {ended, Will due in ms or -1, 1 if others may have what it holds}, or false if fenced
--       abandon: 0 if there is nothing to undo, 1 if it is undone, {'RETRY', generation} having written nothing
-- Cost  O(1)

--- Lets go of the Session whose fields are given. `sent` is the last seq that was really sent; nil if nobody knows.
local function let_go(keys, now, client_id, f, expiry, publishes, sent)
  local s, b, x, wd, w, e, o, hd = keys[1], keys[2], keys[3], keys[4], keys[6], keys[7], keys[8], keys[9]
  local q, h = keys[11], keys[16]
  local ended = f.kept == '0' or expiry == 0
  local next_seq, head, sent_before, bytes, releases, last_release, reserve, oldest, earliest = queue_of(f.queue)
  local client_generation = generation_id(client_id, f.generation)
  local queue, state, look_at
  local holds, gone = false, {}
  if f.kept == '1' then
    head = advanced(q, keys[12], head, next_seq, releases)
    local known = sent and math.max(sent, head - 1) or next_seq - 1
    sent = math.min(sent_before, known)
    -- What was reserved and not sent may be dropped from now on.
    oldest = math.min(oldest, known + 1)
    -- Entries above st may expire now: to be worked out anew.
    queue = queue_text(next_seq, head, sent, bytes, releases, last_release, reserve, oldest, earliest and 0)
    if ended then state, look_at = ending_of(q, h, keys[17], sent, now)
    else holds, gone = holds_any(q, h, sent) end
  end
  local due_in = -1
  local id = ''
  if publishes and f.will ~= '' then
    -- A Session that ends takes its Will's delay with it [MQTT-3.1.3-9].
    due_in = ended and 0 or math.min(f.delay, expiry) * 1000
    id = will_id(client_id, f.generation, f.epoch)
    add_will(w, client_id, id, f.will)
    redis.call('ZADD', wd, ended and 0 or now + due_in, id)
  end
  redis.call('HDEL', o, client_id)
  if not ended then
    redis.call('HSET', s, 'own', '', 'xi', expiry, 'dc', now, 'wl', '', 'wdl', 0, 'pw', id, 'qs', queue)
    if expiry ~= never_expires then redis.call('ZADD', x, now + expiry * 1000, client_id) end
    forget_held(h, gone)
    -- It may stand there for what was taken already.
    if holds then redis.call('ZADD', hd, 'NX', now + away_ms, client_generation) end
    return { 0, due_in, holds and 1 or 0 }
  end
  redis.call('DEL', s)
  redis.call('HINCRBY', b, 'n', -1)
  if f.kept == '1' then end_generation(e, hd, client_generation, state, look_at)
  else redis.call('UNLINK', unpack(keys, 10, 18)) end
  return { 1, due_in, look_at and 1 or 0 }
end

local function fields_of(s)
  local f = redis.call('HMGET', s, 'g', 'ep', 'own', 'qs', 'kept', 'wl', 'wdl', 'xi', 'an', 'as', 'aw')
  return {
    generation = f[1], epoch = f[2], owner = f[3], queue = f[4], kept = f[5], will = f[6], delay = tonumber(f[7] or 0),
    expiry = tonumber(f[8] or 0), nonce = f[9], acquired_sent = tonumber(f[10] or 0), wills = f[11],
  }
end

local function release(keys, args)
  local f = fields_of(keys[1])
  if not owns(f.generation, f.epoch, args[3], args[4], f.owner) then return false end
  return let_go(keys, now_ms(args[1]), args[2], f, tonumber(args[5]), args[6] == 'publish', tonumber(args[7]))
end

local function abandon(keys, args)
  local f = fields_of(keys[1])
  if not f.generation or f.nonce ~= args[3] or f.owner == '' then return 0 end
  if args[4] ~= f.generation then return { 'RETRY', f.generation } end
  local now = now_ms(args[1])
  for _, id in ipairs(wills_in(f.wills, args[2])) do
    if redis.call('ZREM', keys[5], id) == 1 then redis.call('ZADD', keys[4], now, id) end
  end
  let_go(keys, now, args[2], f, f.expiry, false, f.acquired_sent)
  return 1
end

register('release', release, { 'allow-oom' })
register('abandon', abandon, { 'allow-oom' })
