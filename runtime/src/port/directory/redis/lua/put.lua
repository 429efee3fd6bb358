-- KEYS: index, values. ARGV: time to live in milliseconds, then id and value of each.
-- Each put takes out more dead than it adds living, so that none pile up under a kind that nobody lists.
bury(KEYS[1], KEYS[2], 100 + #ARGV)
-- One more, since `now` has been rounded down: never gone before its time.
local gone = now + ARGV[1] + 1
local scores, fields = {}, {}
for i = 2, #ARGV, 2 do
  scores[i - 1], scores[i] = gone, ARGV[i]
  fields[i - 1], fields[i] = ARGV[i], ARGV[i + 1]
end
redis.call('ZADD', KEYS[1], unpack(scores))
redis.call('HSET', KEYS[2], unpack(fields))
-- Both keys go with the last of their ids, so that nothing stays behind when nobody puts any more.
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], last)
redis.call('PEXPIREAT', KEYS[2], last)
