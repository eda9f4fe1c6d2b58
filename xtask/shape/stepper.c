// Prints which instructions of an allocation library run when a call hits: `stepper LIBRARY`.
//
// The child loads the library, warms each size, and stops before every call that is to be seen. The
// parent steps it through that call, from the function's first instruction to its return, and notes
// where it was. One line for each call: its name, and the places as hexadecimal offsets in the
// library; `-N` stands for N instructions outside of it. The first is that of the function.
//
// x86-64 Linux only. Exits with 0, with 77 where the kernel lets nobody trace, with 1 otherwise.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFUSED = 77, LONGEST = 100000, REPEATS = 3, FIRST = 5000 };

// What the child tells its parent.
struct shared {
    const char *probe;
    uintptr_t function, base, first, end;
};

static struct shared *shared;
static void *(*library_malloc)(size_t);
static void (*library_free)(void *);
static void *(*library_calloc)(size_t, size_t);
static void *(*library_realloc)(void *, size_t);

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "stepper: %s\n", what);
    fflush(NULL);
    _exit(1);
}

static void find_text(void) {
    struct link_map *map;
    Dl_info info;
    if (!dladdr1((void *)library_malloc, &info, (void **)&map, RTLD_DL_LINKMAP))
        fail("the library's place is not known");
    const ElfW(Ehdr) *head = info.dli_fbase;
    const ElfW(Phdr) *part = (const void *)((const char *)head + head->e_phoff);
    for (int i = 0; i < head->e_phnum; i++, part++) {
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        shared->base = map->l_addr;
        shared->first = map->l_addr + part->p_vaddr;
        shared->end = shared->first + part->p_memsz;
        return;
    }
    fail("the library has no code");
}

// The next call is seen from here on; a rehearsal binds names and warms the heap.
static void announce(int seen, const char *probe, void *function) {
    if (!seen) return;
    shared->probe = probe;
    shared->function = (uintptr_t)function;
    __asm__ volatile("int3" ::: "memory");
}

struct names {
    size_t size, less;
    const char *malloc, *free, *realloc;
};

static const struct names sizes[] = {
    {64, 60, "malloc 64 B", "free 64 B", "realloc 64 B in place"},
    {16384, 14000, "malloc 16 KiB", "free 16 KiB", "realloc 16 KiB in place"},
};

static void calls(int seen) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct names *is = &sizes[i];
        announce(seen, is->malloc, (void *)library_malloc);
        void *block = library_malloc(is->size);
        if (block == NULL) fail("malloc answers null");
        announce(seen, is->realloc, (void *)library_realloc);
        if (library_realloc(block, is->less) != block) fail("realloc moves what fits");
        announce(seen, is->free, (void *)library_free);
        library_free(block);
    }
    announce(seen, "calloc 64 B", (void *)library_calloc);
    void *zeroed = library_calloc(1, 64);
    if (zeroed == NULL) fail("calloc answers null");
    library_free(zeroed);
}

// What a process's first calls meet is over. Then there are some blocks free and room for some: in no
// call is there too much or too little.
static void warm(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int j = 0; j < FIRST; j++) library_free(library_malloc(sizes[i].size));
        void *blocks[4];
        for (int j = 0; j < 4; j++)
            if ((blocks[j] = library_malloc(sizes[i].size)) == NULL) fail("malloc answers null");
        for (int j = 0; j < 2; j++) library_free(blocks[j]);
    }
}

static int child(const char *library) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) return REFUSED;
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) fail(dlerror());
    library_malloc = (void *(*)(size_t))dlsym(handle, "malloc");
    library_free = (void (*)(void *))dlsym(handle, "free");
    library_calloc = (void *(*)(size_t, size_t))dlsym(handle, "calloc");
    library_realloc = (void *(*)(void *, size_t))dlsym(handle, "realloc");
    if (!library_malloc || !library_free || !library_calloc || !library_realloc)
        fail("the library lacks a function");
    find_text();
    warm();
    for (int i = 0; i < REPEATS; i++) calls(0);
    for (int i = 0; i < REPEATS; i++) calls(1);
    return 0;
}

// Waits for the child to stop; ends with it when it ends.
static int stopped(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid) fail("the child is lost");
    if (WIFEXITED(status)) {
        fflush(NULL);
        _exit(WEXITSTATUS(status));
    }
    if (WIFSIGNALED(status)) fail(strsignal(WTERMSIG(status)));
    return WSTOPSIG(status);
}

static struct user_regs_struct where(pid_t pid) {
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &now) != 0) fail("the child's place can't be read");
    return now;
}

static void step(pid_t pid) {
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0) fail("the child can't be stepped");
    int signal = stopped(pid);
    if (signal != SIGTRAP) fail(strsignal(signal));
}

// Follows one call to behind its return.
static void follow(pid_t pid) {
    struct user_regs_struct now = where(pid);
    for (int far = 0; now.rip != shared->function; far++, now = where(pid)) {
        if (far == LONGEST) fail("the call does not come");
        step(pid);
    }
    printf("%s\t", shared->probe);
    uintptr_t frame = now.rsp;
    unsigned long outside = 0;
    for (int far = 0; now.rsp <= frame; far++, now = where(pid)) {
        if (far == LONGEST) fail("the call does not return");
        if (now.rip >= shared->first && now.rip < shared->end) {
            if (outside > 0) printf("-%lu ", outside);
            outside = 0;
            printf("%lx ", (unsigned long)(now.rip - shared->base));
        } else {
            outside++;
        }
        step(pid);
    }
    if (outside > 0) printf("-%lu", outside);
    printf("\n");
}

int main(int count, char **arguments) {
    if (count != 2) fail("write: stepper LIBRARY");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) fail("no memory");
    pid_t pid = fork();
    if (pid < 0) fail("no child");
    if (pid == 0) _exit(child(arguments[1]));
    // Ends this process, and with it the child, should the library hang.
    alarm(60);
    for (;;) {
        int signal = stopped(pid);
        if (signal != SIGTRAP) fail(strsignal(signal));
        if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL) != 0) fail("no options");
        follow(pid);
        if (ptrace(PTRACE_CONT, pid, NULL, NULL) != 0) fail("the child can't go on");
    }
}
