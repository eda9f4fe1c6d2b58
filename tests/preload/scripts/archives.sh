# tar and xz: an archive is the same, byte for byte, and comes apart again.
set -eu
mkdir tree
seq 60 | while read -r n; do seq "$n" "$((n * 300))" >"tree/file$n"; done
touch -d '2020-01-01 00:00:00' tree tree/*
tar --sort=name --owner=0 --group=0 --numeric-owner -cf tree.tar tree
md5sum tree.tar
xz -6 -T2 --block-size=500000 --keep tree.tar
md5sum tree.tar.xz
xz --test --verbose tree.tar.xz 2>/dev/null
rm tree.tar
mkdir out
xz -dc tree.tar.xz | tar -xf - -C out
diff -r tree out/tree && echo same
