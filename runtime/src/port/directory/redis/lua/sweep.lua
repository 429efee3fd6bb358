-- KEYS: index, values. Leaves the living alone.
while bury(KEYS[1], KEYS[2], 1000) == 1000 do end
-- A write even where nothing was dead: a server that was a master once refuses it, and is not read from any more.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
