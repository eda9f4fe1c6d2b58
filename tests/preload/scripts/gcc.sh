# gcc: a large generated file, compiled with and without optimisation; the objects are the same.
set -eu
awk 'BEGIN {
    print "#include <stdio.h>\n#include <string.h>";
    for (n = 0; n < 400; n++)
        printf "static int f%d(int x) { char b[%d]; memset(b, x, sizeof b); for (int i = 0; i < x; i++) x ^= b[i %% sizeof b] * %d; return x; }\n", n, n + 8, n + 3;
    print "int main(void) { int x = 1;";
    for (n = 0; n < 400; n++) printf "x += f%d(x & 15);\n", n;
    print "printf(\"%d\\n\", x); return 0; }"
}' >big.c
gcc -O0 -g -c big.c -o plain.o
gcc -O2 -Wall -c big.c -o fast.o
md5sum plain.o fast.o
gcc plain.o -o plain
gcc fast.o -o fast
./plain
./fast
