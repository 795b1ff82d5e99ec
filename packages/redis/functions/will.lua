-- Wills on their way: waiting in `wd` until due, then claimed in `wc` until done; their bytes are in `w`.
--
-- A claim is a lease. Whoever claimed a Will and died before it was published leaves it to the next sweep, or to the
-- next connection of its Client; the message has one uid for all its tries, so that a second one arrives nowhere twice.
-- Beside each Will, `w` holds for each Client the list of its Wills, oldest first: '<epoch>.<generation>,…'.

--- How long a claimed Will is left to whoever claimed it, in milliseconds.
local will_lease_ms = 4000

--- Names a Will for ever: one connection has one.
local function will_id(client_id, generation, epoch)
  return epoch .. '\0' .. generation .. '\0' .. client_id
end

--- The names of Wills in a list.
local function wills_in(list, client_id)
  local ids = {}
  for epoch, generation in string.gmatch(list or '', '(%d+)%.([^,]+)') do
    ids[#ids + 1] = will_id(client_id, generation, epoch)
  end
  return ids
end

--- The list of Wills by their names.
local function list_of(ids)
  local parts = {}
  for i, id in ipairs(ids) do
    parts[i] = string.gsub(string.match(id, '^(.-%z.-)%z'), '%z', '.')
  end
  return table.concat(parts, ',')
end

local function write_list(w, client_id, ids)
  if #ids == 0 then redis.call('HDEL', w, client_id)
  else redis.call('HSET', w, client_id, list_of(ids)) end
end

--- Adds a Will behind the others of its Client.
local function add_will(w, client_id, id, bytes)
  local ids = wills_in(redis.call('HGET', w, client_id), client_id)
  ids[#ids + 1] = id
  redis.call('HSET', w, id, bytes)
  write_list(w, client_id, ids)
end

--- Forgets a Will: it is published, or void.
local function finish_will(wd, wc, w, client_id, id)
  redis.call('ZREM', wd, id)
  redis.call('ZREM', wc, id)
  if redis.call('HDEL', w, id) == 0 then return end
  local others = {}
  for _, other in ipairs(wills_in(redis.call('HGET', w, client_id), client_id)) do
    if other ~= id then others[#others + 1] = other end
  end
  write_list(w, client_id, others)
end
