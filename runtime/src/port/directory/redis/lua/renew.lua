-- KEYS: lease. ARGV: holder, time to live in milliseconds. Answers who has it now, if anybody.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return holder
