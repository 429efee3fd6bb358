-- KEYS: a key of its own. Answers what the server says of its memory, or nothing if it may not be asked.
-- It writes, so that a server that refuses writes is found out.
redis.call('SET', KEYS[1], '', 'PX', 1000)
local info = redis.pcall('INFO', 'memory')
return type(info) == 'string' and info or ''
