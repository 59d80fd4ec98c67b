#!lua name=easyshare
-- The indexed rival: the application keeps a set with the names of each user's keys, and this function deletes by it.
-- KEYS: the user's index set, the set of active users. ARGV: the user id.

-- unpack takes a few thousand values at most.
local CHUNK = 4000

local function logout(keys, args)
    local index, active = keys[1], keys[2]
    local names = redis.call('SMEMBERS', index)
    local removed = 0
    for from = 1, #names, CHUNK do
        removed = removed + redis.call('UNLINK', unpack(names, from, math.min(from + CHUNK - 1, #names)))
    end
    redis.call('UNLINK', index)
    return removed + redis.call('SREM', active, args[1])
end

-- KEYS: as above, then a room document. Takes the user out of its participants too.
local function logout_from_room(keys, args)
    local room = cjson.decode(redis.call('GET', keys[3]))
    local others, removed = {}, 0
    for _, participant in ipairs(room.participants) do
        if participant.userId == args[1] then
            removed = removed + 1
        else
            others[#others + 1] = participant
        end
    end
    room.participants = others
    redis.call('SET', keys[3], cjson.encode(room), 'KEEPTTL')
    return removed + logout(keys, args)
end

redis.register_function('logout', logout)
redis.register_function('logout_from_room', logout_from_room)
