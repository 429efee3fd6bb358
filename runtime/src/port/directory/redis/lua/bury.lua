-- Takes at most `limit` expired ids out of an index and out of its values; answers how many there were.
-- The limit is far below what `unpack` can carry, about 8,000.
local function bury(index, values, limit)
  local dead = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, limit)
  if #dead > 0 then
    redis.call('HDEL', values, unpack(dead))
    redis.call('ZREM', index, unpack(dead))
  end
  return #dead
end
