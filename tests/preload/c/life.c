// Memory before main, after it, and at the end of threads; children by posix_spawn, vfork and fork.
// Prints what happened in an order that is certain.

#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char *early;
static __thread char *mine;
static pthread_key_t keys[4];
static int destroyed[4];

// A string of its own, filled and checked.
static char *text(size_t n, char c) {
    char *p = malloc(n + 1);
    if (p == NULL) abort();
    memset(p, c, n);
    p[n] = 0;
    return p;
}

static void check(char *p, size_t n, char c) {
    if (strlen(p) != n || p[0] != c || p[n - 1] != c) abort();
    free(p);
}

__attribute__((constructor)) static void before_main(void) {
    early = text(5000, 'e');
}

__attribute__((destructor)) static void after_main(void) {
    check(text(70000, 'd'), 70000, 'd');
    check(early, 5000, 'e');
    printf("destructor\n");
}

static void at_exit(void) {
    for (size_t n = 1; n < 3000000; n *= 3) check(text(n, 'x'), n, 'x');
    printf("at exit\n");
}

// Runs after the library's own end of thread for some keys, before it for others.
static void at_thread_end(void *value) {
    int round = (int)(size_t)value;
    for (int i = 0; i < 200; i++) check(text(1 + (size_t)i * 37, 't'), 1 + (size_t)i * 37, 't');
    if (mine != NULL) {
        check(mine, 300, 'm');
        mine = NULL;
    }
    __atomic_add_fetch(&destroyed[round - 1], 1, __ATOMIC_RELAXED);
    // Asked for again, as often as the C library goes round.
    if (round < 4) pthread_setspecific(keys[0], (void *)(size_t)(round + 1));
}

static void *thread(void *argument) {
    pthread_setspecific(keys[1], (void *)1);
    mine = text(300, 'm');
    pthread_setspecific(keys[3], (void *)1);
    check(argument, 900, 'a');
    return text(800, 'r');
}

static void threads(void) {
    for (int round = 0; round < 50; round++) {
        pthread_t running[4];
        for (int t = 0; t < 4; t++)
            if (pthread_create(&running[t], NULL, thread, text(900, 'a')) != 0) abort();
        for (int t = 0; t < 4; t++) {
            void *result;
            pthread_join(running[t], &result);
            check(result, 800, 'r');
        }
    }
    printf("destroyed %d %d %d\n", destroyed[0], destroyed[1], destroyed[2]);
}

static void children(char *program) {
    char *arguments[] = {program, "child", NULL};
    for (int round = 0; round < 5; round++) {
        pid_t pid;
        int status = -1;
        if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) abort();
        waitpid(pid, &status, 0);
        pid = vfork();
        if (pid == 0) {
            execve(program, arguments, environ);
            _exit(127);
        }
        int second = -1, third = -1;
        waitpid(pid, &second, 0);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            check(text(100000, 'f'), 100000, 'f');
            _exit(9);
        }
        waitpid(pid, &third, 0);
        printf("children %d %d %d\n", WEXITSTATUS(status), WEXITSTATUS(second), WEXITSTATUS(third));
    }
    FILE *pipe = popen("echo from a shell", "r");
    char line[100];
    if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL) abort();
    printf("%s%d\n", line, pclose(pipe));
}

int main(int count, char **arguments) {
    if (count > 1) {
        check(text(2000000, 'c'), 2000000, 'c');
        check(early, 5000, 'e');
        _exit(7);
    }
    atexit(at_exit);
    for (int k = 0; k < 4; k++)
        if (pthread_key_create(&keys[k], at_thread_end) != 0) abort();
    threads();
    children(arguments[0]);
    return 3;
}
