# What configure scripts do: many short processes, most of them forks of the shell.
set -eu
sum=0
n=0
while [ "$n" -lt 120 ]; do
    n=$((n + 1))
    word=$(echo "item $n")
    case $(echo "$word" | sed 's/item/part/') in
    part*5) sum=$((sum + $(expr "$n" + 1))) ;;
    *) sum=$((sum + $(printf '%s' "$word" | wc -c))) ;;
    esac
done
echo "$sum"
