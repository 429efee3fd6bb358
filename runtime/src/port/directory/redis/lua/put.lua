-- KEYS: index, values. ARGV: id, value, time to live in milliseconds.
-- Each put takes out more dead than it adds living, so that none pile up under a kind that nobody lists.
bury(KEYS[1], KEYS[2], 100)
-- One more, since `now` has been rounded down: never gone before its time.
redis.call('ZADD', KEYS[1], now + ARGV[3] + 1, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
-- Both keys go with the last of their ids, so that nothing stays behind when nobody puts any more.
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], last)
redis.call('PEXPIREAT', KEYS[2], last)
