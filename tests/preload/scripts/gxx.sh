# g++: the compiler and what it compiled, both under the allocator.
set -eu
g++ -std=c++17 -O1 -Wall -pthread operators.cpp -o operators
./operators
g++ -std=c++17 -O0 -pthread -fsized-deallocation operators.cpp -o operators-slow
./operators-slow
