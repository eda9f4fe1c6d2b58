// The library loaded by dlopen into a program that has lived without it: its functions work, they
// take what the C library made before, and the library stays when it is closed, since threads may
// still hold blocks of it.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*their_malloc)(size_t);
static void (*their_free)(void *);
static void *(*their_realloc)(void *, size_t);
static size_t (*their_size)(void *);

#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what);                                     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void *thread(void *kept) {
    their_free(kept);
    for (size_t n = 1; n < 4000; n++) {
        char *p = their_malloc(n);
        p[0] = p[n - 1] = 'x';
        their_free(p);
    }
    return their_malloc(100);
}

int main(int count, char **arguments) {
    enum { BLOCKS = 500 };
    static char *before[BLOCKS];
    EXPECT(count == 2);
    for (size_t n = 0; n < BLOCKS; n++) {
        before[n] = malloc(1 + n * n);
        memset(before[n], 'b', 1 + n * n);
    }
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    their_malloc = dlsym(library, "malloc");
    their_free = dlsym(library, "free");
    their_realloc = dlsym(library, "realloc");
    their_size = dlsym(library, "malloc_usable_size");
    EXPECT(their_malloc && their_free && their_realloc && their_size && their_malloc != malloc);
    for (size_t n = 0; n < BLOCKS; n++) {
        EXPECT(their_size(before[n]) >= 1 + n * n);
        errno = 77;
        if (n % 2 == 0) {
            char *moved = their_realloc(before[n], 5000 + n * n);
            EXPECT(moved != NULL && moved[0] == 'b' && moved[n * n] == 'b');
            their_free(moved);
        } else {
            their_free(before[n]);
            EXPECT(errno == 77);
        }
    }
    pthread_t running;
    void *result;
    char *kept = their_malloc(5000);
    EXPECT(dlclose(library) == 0);
    // What was made is still there, and so is what ends a thread.
    memset(kept, 'k', 5000);
    EXPECT(pthread_create(&running, NULL, thread, kept) == 0);
    EXPECT(pthread_join(running, &result) == 0);
    their_free(result);
    printf("done\n");
    return 0;
}
