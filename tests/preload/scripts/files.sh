# Everyday tools: many short processes, pipes, sorts, archives.
set -eu
mkdir tree
seq 200 | while read -r n; do
    mkdir -p "tree/$((n % 7))"
    seq "$n" "$((n + 500))" >"tree/$((n % 7))/file$n"
done
touch -d '2020-01-01 00:00:00' tree tree/* tree/*/*
ls -lRn tree | sed 's/ [0-9]* [0-9]* \([0-9]* Jan\)/ ID ID \1/'
for n in 1 2 3 4 5; do echo "$n" | sort | wc -c; done
seq 200000 | sort -r | md5sum
find tree -type f -print0 | sort -z | xargs -0 cat | sort -n | uniq -c | awk '{ sum += $1 * $2 } END { print sum }'
grep -rc '^1' tree | sort | md5sum
