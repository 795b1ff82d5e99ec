-- How what a dead node held is let go, in two steps, because the second needs keys that the first one names.
--
-- reap_look: which Sessions of some buckets a node holds.
--   KEYS o of each bucket
--   ARGV 1 node  2 where to go on in the first bucket, 0 at its beginning  3 Sessions, about  4 Sessions looked at, about
--   Answers {buckets looked through, where to go on in the one after these, clientId, generation …}
--   A Session that the node holds all along is named once at least if the buckets are looked through.
-- reap: lets go of Sessions that the node still holds, as if their Network Connections had been lost.
--   KEYS s b x wd wc w e o hd u q r t i d h y c of each    ARGV 1 now  2 node  then for each: clientId, generation
--   Answers how many were let go
-- Cost  O(Sessions of those buckets, whoever holds them), and O(Sessions named)

--- Sessions that one step of the look returns, about.
local look_page = 100

local function reap_look(keys, args)
  local node, cursor, most, left = args[1] .. '\0', args[2], tonumber(args[3]), tonumber(args[4])
  local answer, named, through = { 0, '0' }, {}, 0
  while through < #keys and #answer < 2 + 2 * most and left > 0 do
    local page = redis.call('HSCAN', keys[through + 1], cursor, 'COUNT', look_page)
    local entries = page[2]
    for at = 1, #entries, 2 do
      local client_id, held = entries[at], entries[at + 1]
      -- A hash that is about to grow may show an entry twice.
      if string.sub(held, 1, #node) == node and not named[client_id] then
        named[client_id] = true
        answer[#answer + 1] = client_id
        answer[#answer + 1] = string.sub(held, #node + 1)
      end
    end
    -- An empty bucket costs a step as well.
    left = left - 1 - #entries / 2
    cursor = page[1]
    if cursor == '0' then through = through + 1 end
  end
  answer[1], answer[2] = through, cursor
  return answer
end

local function reap(keys, args)
  local now, node = now_ms(args[1]), args[2]
  local held = {}
  for i = 1, #keys / 18 do
    local f = fields_of(keys[i * 18 - 17])
    f.at = i
    -- Whoever has acquired it since owns it now.
    if f.owner == node and f.generation == args[i * 2 + 2] then held[#held + 1] = f end
  end
  for _, f in ipairs(held) do
    local own_keys = { unpack(keys, f.at * 18 - 17, f.at * 18) }
    -- rule: st is a reservation. Nobody can say any more what of it was sent: whatever is there may have been.
    let_go(own_keys, now, args[f.at * 2 + 1], f, f.expiry, true, nil)
  end
  return #held
end

register('reap_look', reap_look, { 'no-writes' })
register('reap', reap, { 'allow-oom' })
