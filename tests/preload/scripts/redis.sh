# redis-server on a port of its own on loopback: a bounded load, questions whose answers are certain,
# a restart from what it saved, and a regular end.
set -eu
ask() { redis-cli -h 127.0.0.1 -p "$PORT" "$@"; }
start() {
    redis-server --port "$PORT" --bind 127.0.0.1 --save '' --appendonly no --daemonize no \
        --logfile server.log --dir . >/dev/null &
    server=$!
    tries=0
    until [ "$(ask ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || { echo 'the server does not answer' >&2; exit 1; }
        sleep 0.05
    done
}
stop() {
    ask shutdown "$1"
    status=0
    wait "$server" || status=$?
    echo "server $status"
}
digest() {
    ask eval '
local text = {}
for i = 2, 20000, 2 do text[#text + 1] = redis.call("GET", "s" .. i) end
for i = 0, 49 do
    local fields = redis.call("HGETALL", "h" .. i)
    table.sort(fields)
    text[#text + 1] = table.concat(fields, ",")
end
text[#text + 1] = table.concat(redis.call("ZRANGE", "z", 0, -1, "WITHSCORES"), ",")
return redis.sha1hex(table.concat(text, ";"))' 0
}
start
redis-benchmark -h 127.0.0.1 -p "$PORT" -n 4000 -c 20 -d 700 -q \
    -t set,get,lpush,lpop,sadd,hset,mset >/dev/null
ask flushall
ask eval '
for i = 1, 20000 do
    redis.call("SET", "s" .. i, string.rep("x", i % 3000))
    redis.call("HSET", "h" .. i % 50, "f" .. i, i)
    redis.call("ZADD", "z", i * 7919 % 20011, "m" .. i)
end
return redis.call("DBSIZE")' 0
ask zrange z 0 9 withscores
ask hlen h7
ask eval 'for i = 1, 20000, 2 do redis.call("DEL", "s" .. i) end return redis.call("DBSIZE")' 0
digest
stop save
start
digest
stop nosave
grep -ci 'crash\|bug report\|assert' server.log || true
