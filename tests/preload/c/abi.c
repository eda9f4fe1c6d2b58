// Every C function of the library against its manual page: results, errno, alignment, refusals.
// Says what is wrong and returns 1, or says nothing and returns 0. Compiled with -fno-builtin, so
// that no call is left out.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int wrong;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #what, errno);                   \
            wrong = 1;                                                                             \
        }                                                                                          \
    } while (0)

// Evaluates to the value of `call`, with errno 0 before it.
#define FRESH(call) (errno = 0, (call))

static const size_t sizes[] = {0, 1, 16, 17, 1000, 1024, 1025, 5000, 65536, 65537, 300000, 1 << 20,
                               (1 << 20) + 1, 5 << 20};
#define SIZES (sizeof sizes / sizeof *sizes)

static volatile size_t huge[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX};
#define HUGE_SIZES (sizeof huge / sizeof *huge)

static int zeroed(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0) return 0;
    return 1;
}

static int on(void *p, size_t align) {
    return p != NULL && (uintptr_t)p % align == 0;
}

static void plain(void) {
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        unsigned char *p = malloc(n), *other = malloc(n);
        CHECK(on(p, 16) && on(other, 16) && p != other);
        CHECK(malloc_usable_size(p) >= n);
        memset(p, 0xA5, malloc_usable_size(p));
        memset(other, 0x5A, malloc_usable_size(other));
        CHECK(n == 0 || (p[0] == 0xA5 && p[n - 1] == 0xA5));
        errno = 77;
        free(p);
        free(other);
        CHECK(errno == 77);
        p = calloc(n, 1);
        CHECK(p != NULL && zeroed(p, n));
        free(p);
        p = calloc(7, n);
        CHECK(p != NULL && zeroed(p, 7 * n));
        free(p);
    }
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
}

static void refusals(void) {
    unsigned char *kept = malloc(100);
    memset(kept, 9, 100);
    for (size_t s = 0; s < HUGE_SIZES; s++) {
        CHECK(FRESH(malloc(huge[s])) == NULL && errno == ENOMEM);
        CHECK(FRESH(calloc(huge[s], 1)) == NULL && errno == ENOMEM);
        CHECK(FRESH(realloc(kept, huge[s])) == NULL && errno == ENOMEM);
        CHECK(FRESH(memalign(64, huge[s])) == NULL && errno == ENOMEM);
        CHECK(FRESH(aligned_alloc(4096, huge[s])) == NULL && errno == ENOMEM);
        CHECK(FRESH(valloc(huge[s])) == NULL && errno == ENOMEM);
        CHECK(FRESH(pvalloc(huge[s])) == NULL && errno == ENOMEM);
        void *out = kept;
        CHECK(FRESH(posix_memalign(&out, 64, huge[s])) == ENOMEM && errno == 0 && out == kept);
    }
    volatile size_t half = SIZE_MAX / 2 + 2;
    CHECK(FRESH(calloc(half, 2)) == NULL && errno == ENOMEM);
    CHECK(FRESH(reallocarray(kept, half, 2)) == NULL && errno == ENOMEM);
    CHECK(FRESH(reallocarray(NULL, half, 2)) == NULL && errno == ENOMEM);
    CHECK(kept[0] == 9 && kept[99] == 9);
    free(kept);
    // No memory at a huge alignment is no crash.
    CHECK(FRESH(aligned_alloc((size_t)1 << 62, 1)) == NULL && errno == ENOMEM);
}

static void alignments(void) {
    for (size_t align = 1; align <= (size_t)4 << 20; align *= 2) {
        for (size_t s = 0; s < SIZES; s++) {
            void *p = memalign(align, sizes[s]), *q = aligned_alloc(align, sizes[s]), *r = NULL;
            CHECK(on(p, align) && on(q, align) && malloc_usable_size(p) >= sizes[s]);
            memset(p, 1, sizes[s]);
            memset(q, 2, sizes[s]);
            if (align >= sizeof(void *)) {
                CHECK(posix_memalign(&r, align, sizes[s]) == 0 && on(r, align));
                memset(r, 3, sizes[s]);
            }
            free(p);
            p = realloc(q, sizes[s] + 100);
            CHECK(p != NULL && (sizes[s] == 0 || ((char *)p)[sizes[s] - 1] == 2));
            free(p);
            free(r);
        }
    }
    static const size_t bad[] = {0, 3, 24, 4095, SIZE_MAX};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        void *out = &wrong;
        CHECK(FRESH(posix_memalign(&out, bad[b], 10)) == EINVAL && errno == 0 && out == &wrong);
        CHECK(FRESH(aligned_alloc(bad[b], 10)) == NULL && errno == EINVAL);
        CHECK(FRESH(memalign(bad[b], 10)) == NULL && errno == EINVAL);
    }
    void *out = &wrong;
    CHECK(posix_memalign(&out, sizeof(void *) / 2, 10) == EINVAL && out == &wrong);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = valloc(1), *q = pvalloc(page + 1), *none = pvalloc(0);
    CHECK(on(p, page) && on(q, page) && on(none, page));
    CHECK(malloc_usable_size(q) >= 2 * page && malloc_usable_size(none) >= page);
    free(p);
    free(q);
    free(none);
}

static void resizing(void) {
    for (size_t from = 0; from < SIZES; from++) {
        for (size_t to = 0; to < SIZES; to++) {
            unsigned char *p = malloc(sizes[from]);
            for (size_t i = 0; i < sizes[from]; i++) p[i] = (unsigned char)(i * 7);
            p = realloc(p, sizes[to]);
            // A size of 0 frees, and then there is no block.
            CHECK((p == NULL) == (sizes[to] == 0));
            size_t both = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            int same = 1;
            for (size_t i = 0; i < both; i++) same &= p[i] == (unsigned char)(i * 7);
            CHECK(same);
            free(p);
        }
    }
    unsigned char *p = realloc(NULL, 0);
    CHECK(p != NULL);
    p = reallocarray(p, 100, 30);
    CHECK(p != NULL && malloc_usable_size(p) >= 3000);
    CHECK(reallocarray(p, 0, 30) == NULL);
}

// Functions that the C library does not have, or has no more.
static void rare(void) {
    void (*cfree_)(void *) = dlsym(RTLD_DEFAULT, "cfree");
    void (*free_sized_)(void *, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
    void (*free_aligned_sized_)(void *, size_t, size_t) =
        dlsym(RTLD_DEFAULT, "free_aligned_sized");
    CHECK(cfree_ && free_sized_ && free_aligned_sized_);
    for (int round = 0; round < 1000; round++) {
        errno = 77;
        cfree_(malloc(40));
        free_sized_(malloc(4000), 4000);
        free_aligned_sized_(aligned_alloc(256, 512), 256, 512);
        CHECK(errno == 77);
    }
    cfree_(NULL);
    free_sized_(NULL, 0);
    free_aligned_sized_(NULL, 64, 0);
}

static void figures(void) {
    struct mallinfo2 before = mallinfo2();
    void *large = malloc(40 << 20);
    struct mallinfo2 during = mallinfo2();
    CHECK(during.hblks == before.hblks + 1);
    CHECK(during.hblkhd >= before.hblkhd + (40 << 20));
    CHECK(during.arena >= during.uordblks && during.arena == during.uordblks + during.fordblks);
    CHECK(during.uordblks > 0);
    struct mallinfo narrow = mallinfo();
    CHECK((size_t)narrow.hblkhd == during.hblkhd && (size_t)narrow.hblks == during.hblks);
    free(large);
    CHECK(mallinfo2().hblks == before.hblks);
    malloc_trim(0); // What is kept of earlier blocks could serve those below.
    before = mallinfo2();
    enum { BLOCKS = 20000 };
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(4000);
        memset(blocks[i], 1, 4000);
    }
    size_t grown = mallinfo2().arena;
    CHECK(grown >= before.arena + (size_t)BLOCKS * 4000 / 2);
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    CHECK(malloc_trim(0) == 1);
    CHECK(mallinfo2().arena < grown);
    CHECK(malloc_trim(0) == 0);
}

int main(void) {
    plain();
    refusals();
    alignments();
    resizing();
    rare();
    figures();
    return wrong;
}
