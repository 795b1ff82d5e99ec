-- acquire: takes a Session for a node, resumed or new; decides the Wills of the connection before.
--
-- KEYS  1 s  2 b  3 x  4 wd  5 wc  6 w  7 e  8 o  9 hd                  of the Client Identifier and its bucket
--       10 u  11 q  12 r  13 t  14 i  15 d  16 h  17 y  18 c            of the generation guessed; absent without a guess
-- ARGV  1 now  2 clientId  3 nonce  4 clean start, 0 or 1  5 Session Expiry Interval  6 owner  7 reserve
--       8 generation, if a new one is made  9 Will, or ''  10 its delay in seconds  11 generation guessed, or ''
-- Answers {'RETRY', generation} having written nothing, where the keys of another generation are needed; else
--       {generation, epoch, kept, present, previous owner, head, sent, {filter, options …}, {release …},
--        {packetId, state …}, {will id, will …}, 1 if a generation is over, {filter, cursor …}}
-- Cost  one call for a new Session, two for one that is resumed under a wrong guess; O(subscriptions + releases)

local function acquire(keys, args)
  local s, b, x, wd, wc, w, e, o, hd = unpack(keys, 1, 9)
  local now = now_ms(args[1])
  local client_id, nonce, owner, guess = args[2], args[3], args[6], args[11]
  local f = redis.call('HMGET', s, 'g', 'ep', 'own', 'qs', 'kept', 'xi', 'dc', 'an', 'ap', 'ao', 'aw', 'as', 'wl', 'wdl')
  local generation, epoch, previous, kept = f[1], f[2], f[3] or '', f[5]
  local expiry = tonumber(f[6] or 0)
  local next_seq, head, sent, bytes, releases, last_release, _, oldest, earliest = 1, 1, 0, 0, 0, 0, 0, 1
  if generation then next_seq, head, sent, bytes, releases, last_release, _, oldest, earliest = queue_of(f[4]) end

  local function answer(g, ep, is_kept, present, before, first, last, wills, ended)
    local subscriptions, owed, inbound, published, feeds = {}, {}, {}, {}, {}
    if present == '1' then
      subscriptions = redis.call('HGETALL', keys[10])
      owed = redis.call('ZRANGE', keys[12], 0, -1)
      inbound = redis.call('HGETALL', keys[14])
      feeds = redis.call('HGETALL', keys[18])
    end
    for _, id in ipairs(wills) do
      local will = redis.call('HGET', w, id)
      if will then
        published[#published + 1] = id
        published[#published + 1] = will
      end
    end
    return { g, ep, is_kept, present, before, first, last, subscriptions, owed, inbound, published, ended, feeds }
  end

  -- The same attempt again: the same answer.
  if generation and f[8] == nonce and previous == owner then
    if f[9] == '1' and guess ~= generation then return { 'RETRY', generation } end
    return answer(generation, epoch, kept, f[9], f[10], head, tonumber(f[12]), wills_in(f[11], client_id), 0)
  end

  local present = false
  if generation and args[4] ~= '1' then
    if previous ~= '' then present = expiry > 0
    else present = expiry == never_expires or now < tonumber(f[7]) + expiry * 1000 end
  end
  local clears = generation and not present and kept == '0'
  if (present or clears) and guess ~= generation then return { 'RETRY', generation } end

  -- The Wills of earlier connections [MQTT-3.1.3-9]. Claimed and not done they go to the newcomer as well: what it
  -- publishes must not be overtaken by them. One that waits is void if its Session is resumed, else due.
  local due, void = {}, {}
  for _, id in ipairs(wills_in(redis.call('HGET', w, client_id), client_id)) do
    local waits = redis.call('ZSCORE', wd, id)
    if waits and present and tonumber(waits) > now then void[#void + 1] = id
    else due[#due + 1] = id end
  end
  local replaced = nil
  if previous ~= '' and f[13] ~= '' and (tonumber(f[14]) == 0 or not present) then
    -- Its connection ends by this very call.
    replaced = will_id(client_id, generation, epoch)
    due[#due + 1] = replaced
  end
  local last = tonumber(redis.call('HGET', b, 'ep') or 0)
  local new_epoch = whole(math.max(last + 1, now * 1000))
  local id = generation and generation_id(client_id, generation)
  local claimed_until = present and claims_end(keys[17])
  local state, look_at = '1', nil
  if generation and not present and kept == '1' then
    -- Without its keys nobody can say here whether it holds what others may have.
    if guess == generation then state, look_at = ending_of(keys[11], keys[16], keys[17], sent, now)
    elseif previous ~= '' or redis.call('ZSCORE', hd, id) then state, look_at = 'u' .. whole(sent), now end
  end

  for _, id in ipairs(void) do finish_will(wd, wc, w, client_id, id) end
  if replaced then add_will(w, client_id, replaced, f[13]) end
  for _, id in ipairs(due) do
    redis.call('ZREM', wd, id)
    redis.call('ZADD', wc, now + will_lease_ms, id)
  end
  local is_present = present and '1' or '0'
  local ended = generation and not present and kept == '1' and 1 or 0
  if present then
    head = advanced(keys[11], keys[12], head, next_seq, releases)
    sent = math.min(sent, next_seq - 1) -- `oldest` stays: there is nothing above
    -- Entries above st may expire now: to be worked out anew.
    earliest = earliest and 0
    -- What was not taken is its own again.
    if claimed_until then redis.call('ZADD', hd, claimed_until, id)
    else redis.call('ZREM', hd, id) end
  else
    if generation then
      redis.call('DEL', s)
      if kept == '1' then end_generation(e, hd, id, state, look_at)
      else redis.call('UNLINK', unpack(keys, 10, 18)) end
    else
      redis.call('HINCRBY', b, 'n', 1)
    end
    next_seq, head, sent, bytes, releases, last_release, oldest, earliest = 1, 1, 0, 0, 0, 0, 1, nil
    generation = args[8]
    kept = tonumber(args[5]) > 0 and '1' or '0'
  end
  redis.call('HSET', s, 'g', generation, 'own', owner, 'ep', new_epoch,
    'qs', queue_text(next_seq, head, sent, bytes, releases, last_release, args[7], oldest, earliest),
    'kept', kept, 'xi', args[5], 'dc', 0, 'wl', args[9], 'wdl', args[10], 'pw', '',
    'an', nonce, 'ap', is_present, 'ao', previous, 'aw', list_of(due), 'as', sent)
  redis.call('HSET', b, 'ep', new_epoch)
  redis.call('ZREM', x, client_id)
  redis.call('HSET', o, client_id, owner .. '\0' .. generation)
  return answer(generation, new_epoch, kept, is_present, previous, head, sent, due, ended)
end

register('acquire', acquire)
