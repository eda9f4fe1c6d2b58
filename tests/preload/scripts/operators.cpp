// What scripts/gxx.sh compiles: the C++ operators in every form, and what the standard library makes
// of them. Prints what it finds; both allocators have to make it print the same.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static int calls = 0;

// More than any machine has, and less than what the compiler refuses by itself.
static volatile std::size_t too_much = PTRDIFF_MAX - 4096;

// A result that is looked at, or else the compiler leaves the call out.
static void *volatile result;

static void give_up_third_time() {
    if (++calls == 3) std::set_new_handler(nullptr);
}

struct Mine : std::bad_alloc {
    const char *what() const noexcept override { return "mine"; }
};

static void throw_mine() { throw Mine(); }

template <typename Body> static void caught(const char *name, Body body) {
    try {
        body();
        std::printf("%s: nothing thrown\n", name);
    } catch (const Mine &error) {
        std::printf("%s: %s\n", name, error.what());
    } catch (const std::bad_alloc &) {
        std::printf("%s: bad_alloc\n", name);
    }
}

struct alignas(256) Wide {
    unsigned char bytes[512];
};

// Unwinding has to find its way through frames that own something.
struct Guard {
    const char *name;
    ~Guard() { std::printf("~%s\n", name); }
};

static void *deep(int depth) {
    Guard guard{"guard"};
    if (depth > 0) return deep(depth - 1);
    return ::operator new(too_much);
}

static void throwing() {
    caught("new", [] { result = ::operator new(too_much); });
    caught("new[]", [] { result = ::operator new[](too_much); });
    caught("aligned new", [] { result = ::operator new(too_much, std::align_val_t(64)); });
    caught("aligned new[]", [] { result = ::operator new[](too_much, std::align_val_t(4096)); });
    caught("deep", [] { result = deep(3); });
    calls = 0;
    std::set_new_handler(give_up_third_time);
    caught("handler", [] { result = ::operator new(too_much); });
    std::printf("handler called %d times\n", calls);
    std::set_new_handler(throw_mine);
    caught("handler that throws", [] { result = ::operator new(too_much); });
    caught("handler that throws, aligned",
           [] { result = ::operator new(too_much, std::align_val_t(64)); });
    caught("handler that throws, deep", [] { result = deep(2); });
    std::set_new_handler(nullptr);
}

static void nothrow() {
    std::printf("%d", ::operator new(too_much, std::nothrow) == nullptr);
    std::printf("%d", ::operator new[](too_much, std::nothrow) == nullptr);
    std::printf("%d", ::operator new(too_much, std::align_val_t(64), std::nothrow) == nullptr);
    std::printf("%d\n", ::operator new[](too_much, std::align_val_t(64), std::nothrow) == nullptr);
    calls = 0;
    std::set_new_handler(give_up_third_time);
    std::printf("%d", ::operator new(too_much, std::nothrow) == nullptr);
    std::printf(" after %d calls\n", calls);
    std::set_new_handler(throw_mine);
    std::printf("%d", ::operator new(too_much, std::nothrow) == nullptr);
    std::printf("%d\n", ::operator new[](too_much, std::align_val_t(64), std::nothrow) == nullptr);
    std::set_new_handler(nullptr);
    int *small = new (std::nothrow) int(7);
    std::printf("%d\n", *small);
    ::operator delete(small, std::nothrow);
}

static void forms() {
    for (std::size_t size : {0, 1, 16, 1000, 5000, 70000, 3000000}) {
        ::operator delete(::operator new(size));
        ::operator delete(::operator new(size), size);
        ::operator delete[](::operator new[](size));
        ::operator delete[](::operator new[](size), size);
        for (std::size_t align = 16; align <= 65536; align *= 4) {
            auto at = std::align_val_t(align);
            void *p = ::operator new(size, at);
            void *q = ::operator new[](size, at, std::nothrow);
            if (reinterpret_cast<std::uintptr_t>(p) % align != 0) std::printf("not aligned\n");
            if (reinterpret_cast<std::uintptr_t>(q) % align != 0) std::printf("not aligned\n");
            ::operator delete(p, size, at);
            ::operator delete[](q, at);
        }
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, std::size_t(8));
    std::vector<std::unique_ptr<Wide>> wide;
    for (int n = 0; n < 300; n++) wide.push_back(std::make_unique<Wide>());
    bool aligned = std::all_of(wide.begin(), wide.end(), [](const auto &one) {
        return reinterpret_cast<std::uintptr_t>(one.get()) % alignof(Wide) == 0;
    });
    std::printf("wide %d\n", aligned);
    std::unique_ptr<Wide[]> many(new Wide[40]);
    std::printf("many %d\n", reinterpret_cast<std::uintptr_t>(many.get()) % alignof(Wide) == 0);
}

static long containers(int seed) {
    std::map<std::string, std::vector<int>> by_name;
    std::unordered_map<int, std::list<std::string>> lists;
    for (int n = 0; n < 4000; n++) {
        int draw = (n * 7919 + seed * 104729) % 10007;
        by_name[std::string(draw % 300, 'n') + std::to_string(draw)].assign(draw % 50, n);
        lists[draw % 97].push_back(std::string(draw % 200, 'l'));
        if (n % 3 == 0) lists.erase(draw % 89);
    }
    long sum = 0;
    for (const auto &[name, numbers] : by_name)
        sum += long(name.size()) + std::accumulate(numbers.begin(), numbers.end(), 0L);
    for (const auto &[key, texts] : lists)
        for (const auto &text : texts) sum += key + long(text.size());
    return sum;
}

// Blocks made by one thread and deleted by another, exceptions under way in all of them.
static void threads() {
    std::vector<std::thread> running;
    std::vector<long> sums(6);
    std::vector<std::vector<std::string>> gifts(6);
    for (int n = 0; n < 6; n++)
        running.emplace_back([n, &sums, &gifts] {
            for (int round = 0; round < 200; round++) {
                try {
                    std::string text(1000 + round, 'e');
                    throw std::runtime_error(text);
                } catch (const std::runtime_error &error) {
                    sums[n] += long(std::string(error.what()).size());
                }
            }
            sums[n] += containers(n);
            for (int gift = 0; gift < 1000; gift++) gifts[n].emplace_back(gift % 3000, 'g');
        });
    for (auto &one : running) one.join();
    for (long sum : sums) std::printf("%ld ", sum);
    gifts.clear();
    std::printf("\n");
}

int main() {
    throwing();
    nothrow();
    forms();
    std::printf("%ld\n", containers(1));
    threads();
    try {
        std::vector<char> huge(std::size_t(-1) / 4);
    } catch (const std::bad_alloc &) {
        std::printf("vector: bad_alloc\n");
    }
    std::shared_ptr<int> last(new int(3), [](int *p) { std::printf("deleted %d\n", *p); delete p; });
}
