-- Keys of its own, overwritten, grown and removed; what is left, and how long the benchmark's list is.
local text = {}
for i = 1, 8000 do
    redis.call("SET", "own:" .. i * 7919 % 4001, string.rep("x", i % 700))
    redis.call("HSET", "own:h" .. i % 50, "f" .. i, i)
    redis.call("ZADD", "own:z", i * 7919 % 20011, "m" .. i)
    if i % 3 == 0 then redis.call("DEL", "own:" .. i * 31 % 4001) end
end
for i = 0, 4000 do text[#text + 1] = redis.call("GET", "own:" .. i) or "-" end
text[#text + 1] = table.concat(redis.call("ZRANGE", "own:z", 0, -1, "WITHSCORES"), ",")
text[#text + 1] = redis.call("HLEN", "own:h7")
text[#text + 1] = redis.call("LLEN", "mylist")
return redis.sha1hex(table.concat(text, ";"))
