-- KEYS: pool. ARGV: holder, capacity, kept, wanted, least, time to live in milliseconds.
-- Answers what the holder has now, and what of that it may use again, -1 for all. `share_of` says the same in Rust.
local holder, capacity, kept, wanted, least = ARGV[1], ARGV[2] + 0, ARGV[3] + 0, ARGV[4] + 0, ARGV[5] + 0
local all = redis.call('HGETALL', KEYS[1])
local theirs, holders, some_want, last = 0, 1, false, 0
local dead = {}
for i = 1, #all, 2 do
  local have, want, gone = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
  have, want, gone = tonumber(have), tonumber(want), tonumber(gone)
  if gone == nil or gone <= now then
    dead[#dead + 1] = all[i]
  elseif all[i] ~= holder then
    theirs, holders = theirs + have, holders + 1
    some_want = some_want or want > have
    last = math.max(last, gone)
  end
end
local fair, held = -1, math.min(wanted, math.max(capacity - theirs, 0))
if some_want then
  fair = math.max(math.floor(capacity / holders), 1)
  held = math.min(held, fair)
end
held = math.max(held, math.min(kept, wanted))
if held < least then
  held = 0
end
for _, id in ipairs(dead) do
  redis.call('HDEL', KEYS[1], id)
end
if wanted == 0 or (held == 0 and least > 0) then
  redis.call('HDEL', KEYS[1], holder)
else
  -- One more, since `now` has been rounded down: never gone before its time.
  local gone = now + ARGV[6] + 1
  redis.call('HSET', KEYS[1], holder, string.format('%.0f %.0f %.0f', held, wanted, gone))
  last = math.max(last, gone)
end
if last > 0 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last))
end
return {string.format('%.0f', held), string.format('%.0f', fair)}
