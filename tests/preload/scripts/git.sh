# A repository whose every commit is given: cloned, packed, checked, shown.
set -eu
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.com
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
git init --quiet --initial-branch=main origin
cd origin
for n in $(seq 40); do
    mkdir -p "part$((n % 5))"
    seq "$n" "$((n * 400))" >"part$((n % 5))/file$n"
    seq "$((n * 100))" >>shared
    git add .
    GIT_AUTHOR_DATE="2020-01-01T00:$n:00Z" GIT_COMMITTER_DATE="2020-01-01T00:$n:00Z" \
        git commit --quiet --message "change $n"
done
export GIT_AUTHOR_DATE=2020-02-01T00:00:00Z GIT_COMMITTER_DATE=2020-02-01T00:00:00Z
git checkout --quiet -b side HEAD~20
echo side >side
git add side
git commit --quiet --message side
git checkout --quiet main
git merge --quiet --no-edit side
git tag --annotate --message tag v1
cd ..
git clone --quiet --no-local origin clone
cd clone
git gc --quiet --aggressive
git fsck --full --strict --no-progress
git count-objects -v | grep -v size
git log --stat --format='%H %an %s' | md5sum
git log -p --reverse | md5sum
git rev-parse HEAD v1
git blame part0/file5 | md5sum
git grep --count 999 | sort | md5sum
git archive --format=tar HEAD | md5sum
