-- Messages of Shared Subscriptions that a Session holds: which of them others may have, and when somebody should look.
--
-- `h` names, in runs, the messages that came by a shared filter: '<first seq> <last> <QoS> <filter>', by the last. Nobody
-- who removes an entry from the queue has to know of it: what is named there and is gone is passed over, and a run of which
-- nothing is left is forgotten by whoever comes by.
-- `y` holds those that were taken for other members and are not done: seq → until when they are claimed, entry.
-- `hd` says when others are to have what a generation holds. While its Client is connected it stands there only for what
-- was taken.
-- `e` says of a generation that is over: '1' that it is to be dismantled; 'w', and the last seq that may have been sent,
-- that it waits until others have what it holds; 'u' instead of 'w', that nobody has looked yet whether it holds any.

--- How long a Client may be away before others get what it has not begun, in milliseconds.
local away_ms = 5000
--- How long whoever takes messages has to give them to others, in milliseconds.
local taken_ms = 4000
--- Runs read at once, and seqs looked at in one call.
local held_page, held_steps = 64, 4096
--- What a value of `y` has before the entry: until when it is claimed.
local claim_bytes = 6

--- Names a generation in `hd` and `e`.
local function generation_id(client_id, generation)
  return generation .. '\0' .. client_id
end

--- Calls a function with each message that others may have, in order of seq, until it answers true: those not begun, and
--- those begun at QoS 1 [MQTT-4.8.2-4, MQTT-4.8.2-5]. Runs of filters that stand in `named` are passed over. Answers the
--- runs of which nothing is left; and whether there are more of them than one call looks at, so that behind them may be
--- anything.
local function each_held(q, h, sent, visit, named)
  local gone, steps, from = {}, 0, 0
  while true do
    local runs = redis.call('ZRANGE', h, from, from + held_page - 1)
    for _, run in ipairs(runs) do
      -- Where nothing could be forgotten, the next call would come no farther.
      if steps >= held_steps then return gone, #gone > 0 end
      local first, last, qos, filter = string.match(run, '^(%d+) (%d+) (%d) (.*)$')
      local is_left = named ~= nil and named[filter]
      if is_left then
        steps = steps + 1
        last = 0
      end
      for seq = tonumber(first), tonumber(last) do
        steps = steps + 1
        if redis.call('HEXISTS', q, seq) == 1 then
          is_left = true
          if (qos == '1' or seq > sent) and visit(seq, filter) then return gone, false end
          if named and named[filter] then break end
        end
      end
      if not is_left then gone[#gone + 1] = run end
    end
    if #runs < held_page then return gone, false end
    from = from + held_page
  end
end

--- Whether others may have anything of a queue, as far as one call can tell; and what `h` names for nothing.
local function holds_any(q, h, sent)
  local found = false
  local gone, is_more = each_held(q, h, sent, function()
    found = true
    return true
  end)
  return found or is_more, gone
end

local function forget_held(h, runs)
  for at = 1, #runs, 1000 do redis.call('ZREM', h, unpack(runs, at, math.min(#runs, at + 999))) end
end

--- When the earliest claim on what was taken ends; nil if nothing is taken.
local function claims_end(y)
  local earliest = nil
  for _, value in ipairs(redis.call('HVALS', y)) do
    local claimed_until = struct.unpack('<I6', value)
    earliest = math.min(earliest or claimed_until, claimed_until)
  end
  return earliest
end

--- What `e` says of a generation that ends, and when `hd` has it looked at; nil if never.
local function ending_of(q, h, y, sent, now)
  if holds_any(q, h, sent) then return 'w' .. whole(sent), now end
  local claimed_until = claims_end(y)
  if claimed_until then return 'w' .. whole(sent), claimed_until end
  return '1', nil
end

--- A generation is over.
local function end_generation(e, hd, id, state, look_at)
  redis.call('HSET', e, id, state)
  if look_at then redis.call('ZADD', hd, look_at, id)
  else redis.call('ZREM', hd, id) end
end

--- Whether a generation is over and waits for others, by what `e` says of it; and the last seq that may have been sent.
local function waits_of(state)
  if not state or state == '1' then return false, 0 end
  return true, tonumber(string.sub(state, 2))
end

--- The filter that an entry came by; nil if by none that is shared.
local function shared_filter_of(entry)
  if string.byte(entry) % 16 < 8 then return nil end
  local from = string.find(entry, '\0', 2, true) + 1
  return string.sub(entry, from, string.find(entry, '\0', from, true) - 1)
end
