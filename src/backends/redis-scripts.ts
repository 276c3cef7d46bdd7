/**
 * The Lua scripts of the Redis backend: one per kind of write, and one that reads a page. Each
 * runs atomically on the server and touches declared keys of one partition, thus of one cluster
 * slot. Nothing here talks to a server.
 *
 * A record is a hash: `v` version, `d` value, `e` expiry (exact, milliseconds), `w` the tokens of
 * its last writers. Beside the records a partition has two sorted sets of their ids: the index,
 * in byte order, and the expiries, by time, with those records only that expire.
 */
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly lua: string;
  readonly sha1: string;
}

/**
 * How long Redis keeps a record beyond its expiry. Reads go by the exact expiry and our clock;
 * what Redis removes by its own clock must be expired by both, so this bounds their difference.
 */
export const GRACE_MS = 60_000;

/** Five tokens of twelve characters: a hash stays compact as long as no field exceeds 64 bytes. */
export const TOKEN_CHARACTERS = 12;
const REMEMBERED_CHARACTERS = 5 * TOKEN_CHARACTERS;

/** A write forgets so many records that are gone, so that an index does not grow with its past. */
const FORGOTTEN_PER_WRITE = 10;

/**
 * `KEYS` of the scripts that write: record, index, expiries. `ARGV` begins with now and id. What
 * takes memory comes first: a server that is full lets a script go on that has written already.
 */
const WRITE_PRELUDE = `
local now, id = tonumber(ARGV[1]), ARGV[2]

local function isLive(expiry)
  return not expiry or tonumber(expiry) > now
end

local function expireAt(key, expiry)
  redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(expiry) + ${GRACE_MS}))
end

local function remember(recent, writer)
  return string.sub((recent or '') .. writer, -${REMEMBERED_CHARACTERS})
end

local function neverExpire()
  redis.call('HDEL', KEYS[1], 'e')
  redis.call('PERSIST', KEYS[1])
  redis.call('ZREM', KEYS[3], id)
end

-- The sets live as long as the last of their records: for ever if one of those never expires.
local function tidySets()
  local gone = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ${GRACE_MS}, 'LIMIT', 0, ${FORGOTTEN_PER_WRITE})
  if #gone > 0 then
    redis.call('ZREM', KEYS[2], unpack(gone))
    redis.call('ZREM', KEYS[3], unpack(gone))
  end
  local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
  if last[2] and redis.call('ZCARD', KEYS[2]) == redis.call('ZCARD', KEYS[3]) then
    expireAt(KEYS[2], last[2])
    expireAt(KEYS[3], last[2])
  else
    redis.call('PERSIST', KEYS[2])
    redis.call('PERSIST', KEYS[3])
  end
end
`;

/** `ARGV`: now, id, writer, expected version, value, expiry or empty. Replies `ok` or `conflict`, and a version. */
export const PUT_IF_VERSION = script(`
${WRITE_PRELUDE}
local writer, expected, value, expiry = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local stored = redis.call('HMGET', KEYS[1], 'v', 'e', 'w')
if stored[3] and string.find(stored[3], writer, 1, true) then
  return { 'ok', expected + 1 }
end
local version = stored[1] and isLive(stored[2]) and tonumber(stored[1]) or 0
if version ~= expected then
  return { 'conflict', version }
end
redis.call('HSET', KEYS[1], 'v', expected + 1, 'd', value, 'w', remember(version > 0 and stored[3], writer))
redis.call('ZADD', KEYS[2], 0, id)
if expiry == '' then
  neverExpire()
else
  redis.call('HSET', KEYS[1], 'e', expiry)
  redis.call('ZADD', KEYS[3], expiry, id)
  expireAt(KEYS[1], expiry)
end
tidySets()
return { 'ok', expected + 1 }
`);

/** `ARGV`: now, id. Replies 1 if a live record was there, otherwise 0. */
export const DELETE = script(`
${WRITE_PRELUDE}
local stored = redis.call('HMGET', KEYS[1], 'v', 'e')
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], id)
redis.call('ZREM', KEYS[3], id)
tidySets()
return stored[1] and isLive(stored[2]) and 1 or 0
`);

/**
 * `ARGV`: now, id, writer, delta, ceiling. Replies `ok` and the sum; or `refused` and (the start
 * of) the value at hand, from which the caller tells why.
 */
export const ADD_IF_BELOW = script(`
${WRITE_PRELUDE}
local writer, delta, ceiling = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local stored = redis.call('HMGET', KEYS[1], 'v', 'e', 'w', 'd')
if stored[3] and string.find(stored[3], writer, 1, true) then
  return { 'ok', stored[4] }
end
local startsOver = not isLive(stored[2])
if startsOver then
  stored = {}
end
local value = stored[4] or '0'
local spelled = value == '0' or string.match(value, '^-?[1-9]%d*$')
local sum = spelled and tonumber(value) + delta
if not sum or math.abs(tonumber(value)) > ${Number.MAX_SAFE_INTEGER} or sum > ceiling or sum < ${Number.MIN_SAFE_INTEGER} then
  return { 'refused', string.sub(value, 1, 20) }
end
sum = string.format('%.0f', sum)
redis.call('HSET', KEYS[1], 'v', (stored[1] or 0) + 1, 'd', sum, 'w', remember(stored[3], writer))
redis.call('ZADD', KEYS[2], 0, id)
if startsOver then
  neverExpire()
end
tidySets()
return { 'ok', sum }
`);

/**
 * `KEYS`: index, expiries, then records. `ARGV`: now, how many bytes of values are enough, then
 * the records' ids. Replies how many it looked at and, for each live one, place, version, expiry
 * or empty, and value. Takes ids off the sets whose records are gone.
 */
export const READ_PAGE = script(`
local now, enough = tonumber(ARGV[1]), tonumber(ARGV[2])
local found, bytes = {}, 0

local function forget(id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end

for place = 1, #KEYS - 2 do
  local key, id = KEYS[place + 2], ARGV[place + 2]
  local stored = redis.call('HMGET', key, 'v', 'e', 'd')
  local expiry = stored[2] and tonumber(stored[2])
  if not stored[1] then
    forget(id)
  elseif not expiry or expiry > now then
    found[#found + 1] = { place, stored[1], stored[2] or '', stored[3] }
    bytes = bytes + #stored[3]
  elseif expiry + ${GRACE_MS} <= now then
    redis.call('DEL', key)
    forget(id)
  end
  if bytes >= enough then
    return { place, found }
  end
end
return { #KEYS - 2, found }
`);

function script(lua: string): RedisScript {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
