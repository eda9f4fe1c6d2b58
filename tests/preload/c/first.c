// The first small blocks of a process: they keep what is written, whatever layer the next ones come
// from, whoever frees them, and over forks. An argument asks for something wrong instead.
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 64, CHILDREN = 20 };

static unsigned char *blocks[BLOCKS];
static size_t sizes[BLOCKS];

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void fill(int i, size_t size) {
    check(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0, "no block");
    check(malloc_usable_size(blocks[i]) >= size, "too small");
    memset(blocks[i], i + 1, size);
    sizes[i] = size;
}

static void whole(int i) {
    for (size_t at = 0; at < sizes[i]; at++)
        check(blocks[i][at] == i + 1, "a block is not as it was left");
}

static void *free_odd(void *nothing) {
    for (int i = 1; i < BLOCKS; i += 2) {
        whole(i);
        free(blocks[i]);
    }
    return nothing;
}

static void *churn(void *stop) {
    while (!*(volatile int *)stop) {
        void *p = malloc(100);
        free(p);
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count > 1) {
        char *p = malloc(40), *q = malloc(40);
        free(arguments[1][0] == 'd' ? p : p + 16);
        free(q);
        free(p);
        return 0;
    }
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(10 + 7 * i);
        fill(i, 10 + 7 * i);
    }
    // They grow out of the first memory, one after the other.
    for (int i = 0; i < BLOCKS; i += 3) {
        unsigned char *p = realloc(blocks[i], 40 * sizes[i]);
        check(p != NULL && p[0] == i + 1 && p[sizes[i] - 1] == i + 1, "realloc");
        blocks[i] = p;
        fill(i, 40 * sizes[i]);
    }
    unsigned char *zeroed = calloc(30, 10);
    for (int at = 0; at < 300; at++)
        check(zeroed[at] == 0, "calloc");
    free(zeroed);
    for (int i = 0; i < 5000; i++)
        free(malloc(24));

    int stop = 0;
    pthread_t odd, other;
    check(pthread_create(&odd, NULL, free_odd, NULL) == 0, "thread");
    check(pthread_create(&other, NULL, churn, &stop) == 0, "thread");
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int at = 0; at < BLOCKS; at += 2) {
                whole(at);
                free(blocks[at]);
            }
            void *p = malloc(24);
            free(p);
            _exit(p == NULL);
        }
        int status = 1;
        check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child");
    }
    stop = 1;
    pthread_join(odd, NULL);
    pthread_join(other, NULL);
    malloc_trim(0);
    for (int i = 0; i < BLOCKS; i += 2) {
        whole(i);
        free(blocks[i]);
    }
    puts("done");
    return 0;
}
