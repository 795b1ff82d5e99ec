-- import: what another store held, written here piece by piece, before any node serves.
--
-- `im` is the journal of it: is ('open' until all is here and counted, then 'done'), source, run, and whatever else the
-- importer notes. While it is open no node joins (members.lua). Every piece may be written again: it makes the same
-- state. Nobody else writes meanwhile, so a Session may take several calls.
--
-- rule: one run. Each run of the importer has a name, and the journal bears that of the last one that began, went on, or
-- takes back what is here. Whatever writes a piece looks there first: a run that another one has followed finds that out
-- before it writes anything more.
--
-- import_begin: begins, if there is no journal.
--   KEYS nm nl im    ARGV 1 run  then field, value … of the journal
--   Answers {'nodes', node …} where nodes are registered; {'known', field, value …} of the journal; {'begun'}
-- import_take: makes an open journal that of another run.
--   KEYS im    ARGV 1 run  2 source    Answers field, value … of it; nothing if it is not open, or of another source
--
-- All that write take two words more, behind the others: KEYS im and ARGV run. They are refused with TAKEN unless the
-- journal is open, and that run's.
--
-- import_note: notes how far it is.
--   KEYS nl    ARGV 1 how it stands, 'open' or 'done'  then field, value …    Answers 1; 0 if a node has joined
-- import_unlink: removes keys.    KEYS each
-- import_session: writes a Session, without what it is made of; removes what was there of its generation.
--   KEYS 1 s  2 b  3 x  4 w  5 e  6 u  7 q  8 r  9 t  10 i  11 d  12 h  13 y  14 c
--   ARGV 1 clientId  2 generation  3 epoch  4 Session Expiry Interval  5 when it was let go in ms  6 next seq  7 head
--        8 sent at most  9 releases  10 reserve  11 how it goes on: 'here'; 'over' if it waits for others; 'ended'
-- import_add: adds members to hashes and sorted sets.
--   KEYS each    ARGV for each: 'h', 'z', or 'l' for the lower score of two; how many; field, value or score, member of each
-- import_entries: adds messages to a queue.
--   KEYS 1 s  2 q  3 t    ARGV 1 generation  then for each: seq, entry, when it expires in ms or 0
-- import_wills: adds Wills that wait, or are claimed; those of a Client oldest first.
--   KEYS s wd wc w of each    ARGV for each: clientId, generation, epoch, when it is due in ms, 1 if it is claimed, Will
-- import_retained: adds retained messages.
--   KEYS 1 kn  2 k  3 kl  4 ke    ARGV for each: topic, value of k, when it expires in ms or 0
-- import_routes: puts routes.    KEYS and ARGV as route_put
-- import_epochs: no epoch up to this one is given out again.    KEYS b of each bucket    ARGV epoch
--
-- import_count: what there is of some generations.
--   KEYS s u q r i y of each    ARGV for each: generation, messages that were lost with it
--   Answers {Sessions, Subscriptions, messages, PUBRELs owed, QoS 2 messages received}
-- import_total: what buckets and partitions say of themselves.
--   KEYS b wd wc of some buckets, then kl of some partitions    ARGV how many buckets    Answers {Sessions, Wills, retained}
-- Cost  O(what is written); import_count and import_total O(keys)

do
  --- Fields and values as they come in one call: what Lua may have on its stack at once.
  local pairs_max = 500

  local function import_begin(keys, args)
    local nodes = redis.call('HKEYS', keys[2])
    if #nodes > 0 then return { 'nodes', unpack(nodes, 1, math.min(#nodes, 100)) } end
    redis.call('HLEN', keys[1])
    local known = redis.call('HGETALL', keys[3])
    if #known > 0 then return { 'known', unpack(known) } end
    redis.call('HSET', keys[3], 'is', 'open', 'run', unpack(args))
    return { 'begun' }
  end

  local function import_take(keys, args)
    local im, run, source = keys[1], args[1], args[2]
    local f = redis.call('HMGET', im, 'is', 'source')
    if f[1] ~= 'open' or f[2] ~= source then return {} end
    redis.call('HSET', im, 'run', run)
    return redis.call('HGETALL', im)
  end

  --- Registers what writes for a run [rule: one run].
  local function register_writing(name, write, flags)
    register(name, function(keys, args)
      local im, run = table.remove(keys), table.remove(args)
      local f = redis.call('HMGET', im, 'is', 'run')
      if f[1] ~= 'open' or f[2] ~= run then
        error(redis.error_reply('TAKEN another run has taken this import over, or back'))
      end
      return write(keys, args, im)
    end, flags)
  end

  local function import_note(keys, args, im)
    if redis.call('HLEN', keys[1]) > 0 then return 0 end
    redis.call('HSET', im, 'is', args[1], unpack(args, 2))
    return 1
  end

  local function import_unlink(keys)
    redis.call('UNLINK', unpack(keys))
  end

  local function import_session(keys, args)
    local s, b, x, w, e = unpack(keys, 1, 5)
    local client_id, generation, epoch, expiry, dc = args[1], args[2], args[3], tonumber(args[4]), tonumber(args[5])
    local sent = tonumber(args[8])
    local is_new = redis.call('EXISTS', s) == 0
    local will = will_id(client_id, generation, epoch)
    if redis.call('HEXISTS', w, will) == 0 then will = '' end
    redis.call('UNLINK', unpack(keys, 6, 14))
    if args[11] ~= 'here' then
      local id = generation_id(client_id, generation)
      redis.call('HSET', e, id, args[11] == 'over' and 'w' .. whole(sent) or '1')
      return
    end
    redis.call('DEL', s)
    redis.call('HSET', s, 'g', generation, 'own', '', 'ep', epoch,
      'qs', queue_text(tonumber(args[6]), tonumber(args[7]), sent, 0, tonumber(args[9]), tonumber(args[9]),
        tonumber(args[10]), 1, nil),
      'kept', '1', 'xi', args[4], 'dc', args[5], 'wl', '', 'wdl', 0, 'pw', will,
      'an', '', 'ap', '0', 'ao', '', 'aw', '', 'as', 0)
    if is_new then redis.call('HINCRBY', b, 'n', 1) end
    if expiry ~= never_expires then redis.call('ZADD', x, dc + expiry * 1000, client_id) end
  end

  --- Adds pairs that stand among the arguments from a place on.
  local function add(key, how, args, from, count)
    local last = from + 2 * count - 1
    for at = from, last, 2 * pairs_max do
      local to = math.min(last, at + 2 * pairs_max - 1)
      if how == 'h' then redis.call('HSET', key, unpack(args, at, to))
      elseif how == 'z' then redis.call('ZADD', key, unpack(args, at, to))
      else redis.call('ZADD', key, 'LT', unpack(args, at, to)) end
    end
  end

  local function import_add(keys, args)
    local at = 1
    for _, key in ipairs(keys) do
      local count = tonumber(args[at + 1])
      add(key, args[at], args, at + 2, count)
      at = at + 2 + 2 * count
    end
  end

  local function import_entries(keys, args)
    local s, q, t = unpack(keys)
    local generation = args[1]
    local bytes, expiring, entries = 0, {}, {}
    for at = 2, #args, 3 do
      local seq, entry, expires = args[at], args[at + 1], args[at + 2]
      if redis.call('HEXISTS', q, seq) == 0 then bytes = bytes + #entry + entry_overhead end
      entries[#entries + 1] = seq
      entries[#entries + 1] = entry
      if expires ~= '0' then
        expiring[#expiring + 1] = expires
        expiring[#expiring + 1] = seq
      end
    end
    local f = redis.call('HMGET', s, 'g', 'qs')
    add(q, 'h', entries, 1, #entries / 2)
    add(t, 'z', expiring, 1, #expiring / 2)
    if f[1] ~= generation then return end -- It is over, and its Client may have another one.
    local next_seq, head, sent, bytes_before, releases, last_release, reserve, oldest, earliest = queue_of(f[2])
    -- What expires first is worked out when somebody asks.
    if #expiring > 0 then earliest = 0 end
    redis.call('HSET', s, 'qs', queue_text(next_seq, head, sent, bytes_before + bytes, releases, last_release, reserve,
      oldest, earliest))
  end

  local function import_wills(keys, args)
    for n = 1, #args / 6 do
      local s, wd, wc, w = unpack(keys, n * 4 - 3, n * 4)
      local client_id, generation, epoch, due, claimed, bytes = unpack(args, n * 6 - 5, n * 6)
      local id = will_id(client_id, generation, epoch)
      if redis.call('HEXISTS', w, id) == 0 then add_will(w, client_id, id, bytes) end
      redis.call('ZADD', claimed == '1' and wc or wd, due, id)
      local f = redis.call('HMGET', s, 'g', 'ep')
      if f[1] == generation and f[2] == epoch then redis.call('HSET', s, 'pw', id) end
    end
  end

  local function import_retained(keys, args)
    local kn, k, kl, ke = unpack(keys)
    local count = 0
    for at = 1, #args, 3 do
      local topic, value, expires = args[at], args[at + 1], args[at + 2]
      count = count + redis.call('HSET', k, topic, value)
      redis.call('ZADD', kl, 0, topic)
      if expires ~= '0' then redis.call('ZADD', ke, expires, topic) end
    end
    if count > 0 then redis.call('INCRBY', kn, count) end
  end

  local function import_epochs(keys, args)
    local epoch = tonumber(args[1])
    for _, b in ipairs(keys) do
      redis.call('HSET', b, 'ep', whole(math.max(tonumber(redis.call('HGET', b, 'ep') or 0), epoch)))
    end
  end

  local function import_count(keys, args)
    local sessions, subscriptions, messages, releases, inbound = 0, 0, 0, 0, 0
    for n = 1, #args / 2 do
      local s, u, q, r, i, y = unpack(keys, n * 6 - 5, n * 6)
      if redis.call('HGET', s, 'g') == args[n * 2 - 1] then sessions = sessions + 1 end
      subscriptions = subscriptions + redis.call('HLEN', u)
      messages = messages + redis.call('HLEN', q) + redis.call('HLEN', y) - args[n * 2]
      releases = releases + redis.call('ZCARD', r)
      inbound = inbound + redis.call('HLEN', i)
    end
    return { sessions, subscriptions, messages, releases, inbound }
  end

  local function import_total(keys, args)
    local sessions, wills, retained, buckets = 0, 0, 0, tonumber(args[1])
    for at = 1, 3 * buckets, 3 do
      sessions = sessions + (redis.call('HGET', keys[at], 'n') or 0)
      wills = wills + redis.call('ZCARD', keys[at + 1]) + redis.call('ZCARD', keys[at + 2])
    end
    for at = 3 * buckets + 1, #keys do retained = retained + redis.call('ZCARD', keys[at]) end
    return { sessions, wills, retained }
  end

  register('import_begin', import_begin)
  register('import_take', import_take, { 'allow-oom' })
  register_writing('import_note', import_note, { 'allow-oom' })
  register_writing('import_unlink', import_unlink, { 'allow-oom' })
  register_writing('import_session', import_session)
  register_writing('import_add', import_add)
  register_writing('import_entries', import_entries)
  register_writing('import_wills', import_wills)
  register_writing('import_retained', import_retained)
  register_writing('import_routes', route_put)
  register_writing('import_epochs', import_epochs)
  register('import_count', import_count, { 'no-writes' })
  register('import_total', import_total, { 'no-writes' })
end
