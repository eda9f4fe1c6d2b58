# Python's own tests of what hammers memory, each by name. Debian's python3 comes without them unless
# they are installed; another one in PATH may have them. Told to be quiet, because threads that
# talk do so in any order.
tests='test.test_dict test.test_list test.test_bytes test.test_threading'
for python in /usr/bin/python3 python3; do
    if "$python" -c "import $(echo $tests | tr ' ' ',')" 2>/dev/null; then
        exec "$python" -c '
import sys, unittest
import test.support
test.support.verbose = 0
print(unittest.main(module=None, argv=["tests", "-v"] + sys.argv[1:], exit=False).result)
' $tests
    fi
done
echo 'no python3 has its test modules' >&2
exit 77
