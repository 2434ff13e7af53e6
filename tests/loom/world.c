/* world.c - what the runtime asks the system for, as models; see loom.h.   SPDX-License-Identifier: MIT
 *
 * Each stands in the place of the function of its name (ld's --wrap; the list is in deploy/cmake/tests.cmake).  A mutex is
 * one word: whether it is held.  epoll knows the few descriptors of loom_fd(), one-shot as the runtime arms them, and one
 * eventfd, edge-triggered. */
#include "tests/loom/races.h"

#include "runtime/ctx.h"
#include "runtime/stack.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FD_FIRST    40 /* in the first chunk of the runtime's table */
#define FDS         8
#define EPOLL_FD    (FD_FIRST + FDS)
#define BREAK_FD    (EPOLL_FD + 1)
#define STACKS      32
#define ARENA_BYTES (4u << 20)

struct fd {
    bool open, registered;
    unsigned ready, armed;
    uint64_t data;
};

static struct {
    struct fd fds[FDS];
    bool break_edge;
    bool break_registered;
    uint64_t break_data;
    bool in_arena;
    size_t arena_used;
    const bool *monitor_done; /* or NULL: there is none */
} world;

static _Alignas(64) char arena[ARENA_BYTES];

/* ---- memory -------------------------------------------------------------------------------------- */

/* clang-format off */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *at);
/* clang-format on */

void loom_arena_begin(void)
{
    world.in_arena = true;
}

void loom_arena_end(void)
{
    world.in_arena = false;
}

static bool is_ours(const void *at)
{
    return (const char *)at >= arena && (const char *)at < arena + sizeof arena;
}

/* The size stands before it. */
static void *take(size_t size)
{
    size_t at = ((world.arena_used + 63) & ~(size_t)63) + 64;

    if (at + size > sizeof arena)
        loom_fail("a schedule that needs more than %u bytes", ARENA_BYTES);
    world.arena_used = at + size;
    memcpy(arena + at - sizeof size, &size, sizeof size);
    return arena + at;
}

static size_t size_of(const void *at)
{
    size_t size;

    memcpy(&size, (const char *)at - sizeof size, sizeof size);
    return size;
}

void *__wrap_malloc(size_t size)
{
    return world.in_arena && loom_self >= 0 ? take(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    if (!world.in_arena || loom_self < 0)
        return __real_calloc(n, size);
    return memset(take(n * size), 0, n * size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return world.in_arena && loom_self >= 0 && align <= 64 ? take(size)
                                                           : __real_aligned_alloc(align, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    void *to;

    if (at != NULL && !is_ours(at))
        return __real_realloc(at, size);
    to = __wrap_malloc(size);
    if (at != NULL && to != NULL)
        memcpy(to, at, size_of(at) < size ? size_of(at) : size);
    return to;
}

/* Who uses it afterwards is to notice. */
void __wrap_free(void *at)
{
    if (at == NULL)
        return;
    if (is_ours(at))
        memset(at, 0xdb, size_of(at));
    else
        __real_free(at);
}

/* ---- stacks: the same in the same order in each schedule, whatever the caches of the runtime have seen before ---- */

/* clang-format off */
struct rn__stack *__real_rn__stack_get(size_t bytes, struct rn__stack_cache *cache);
struct rn__stack *__wrap_rn__stack_get(size_t bytes, struct rn__stack_cache *cache);
void __real_rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache);
void __wrap_rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache);
void __wrap_rn__stack_cache_drain(struct rn__stack_cache *cache);
void __wrap_rn__stack_trim(void);
bool __wrap_rn__stack_give_back(int64_t now);
int64_t __wrap_rn__stack_due(const struct rn__stack_cache *cache, int64_t now);
/* clang-format on */

static struct {
    struct rn__stack *made[STACKS]; /* of the usual size, in the order in which they were made */
    struct rn__stack *free[STACKS]; /* of those, as a stack */
    unsigned n_made, n_free;
} stacks;

static void stacks_reset(void)
{
    while (stacks.n_made < STACKS)
        stacks.made[stacks.n_made++] = __real_rn__stack_get(RN__STACK_DEFAULT, NULL);
    stacks.n_free = STACKS;
    for (unsigned i = 0; i < STACKS; i++)
        stacks.free[i] = stacks.made[STACKS - 1 - i];
}

struct rn__stack *__wrap_rn__stack_get(size_t bytes, struct rn__stack_cache *cache)
{
    if (bytes != 0 && bytes != RN__STACK_DEFAULT)
        return __real_rn__stack_get(bytes, cache);
    if (stacks.n_free == 0)
        loom_fail("more than %d goroutines", STACKS);
    loom_order_acquire(&stacks);
    return stacks.free[--stacks.n_free];
}

void __wrap_rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache)
{
    for (unsigned i = 0; i < STACKS; i++) {
        if (stacks.made[i] == s) {
            loom_order_release(&stacks);
            stacks.free[stacks.n_free++] = s;
            return;
        }
    }
    __real_rn__stack_put(s, cache);
}

/* The workers and the pool keep none, and those that are made stay: nothing is ever given back to the system, in whose hands
 * the trim at the end of a scheduler would see all of them. */
void __wrap_rn__stack_cache_drain(struct rn__stack_cache *cache)
{
    (void)cache;
}

void __wrap_rn__stack_trim(void) {}

bool __wrap_rn__stack_give_back(int64_t now)
{
    (void)now;
    return false;
}

int64_t __wrap_rn__stack_due(const struct rn__stack_cache *cache, int64_t now)
{
    (void)cache, (void)now;
    return LOOM_FOREVER;
}

void loom_world_reset(void)
{
    bool registered = world.break_registered;
    uint64_t data = world.break_data;

    memset(world.fds, 0, sizeof world.fds);
    world.break_edge = false;
    world.break_registered = registered;
    world.break_data = data;
    world.arena_used = 0;
    world.monitor_done = NULL;
    stacks_reset();
}

/* ---- clocks, chance, ends ---------------------------------------------------------------------------- */

/* clang-format off */
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);
pid_t __wrap_gettid(void);
int __wrap_sched_yield(void);
int __wrap_usleep(useconds_t us);
int __wrap_nanosleep(const struct timespec *ns, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));
void __wrap_rn_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void __wrap_rn__assert_failed(const char *file, int line, const char *condition) __attribute__((noreturn));
void __wrap_rn__dump_deadlock(void);
void __real_rn__ctx_switch(struct rn__ctx *from, const struct rn__ctx *to);
void __wrap_rn__ctx_switch(struct rn__ctx *from, const struct rn__ctx *to);
int __wrap_rn__fault_init(void);
void __wrap_rn__fault_fini(void);
int __wrap_rn__fault_thread_init(void);
void __wrap_rn__fault_thread_fini(void);
int __wrap_rn__signal_init(void);
void __wrap_rn__signal_fini(void);
void __wrap_rn__monitor_start(void);
void __wrap_rn__monitor_stop(void);
/* clang-format on */

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int64_t now = loom_now();

    (void)clock;
    t->tv_sec = now / 1000000000;
    t->tv_nsec = now % 1000000000;
    return 0;
}

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)loom_random();
    return (ssize_t)size;
}

/* Never 0: that is no thread. */
pid_t __wrap_gettid(void)
{
    return loom_self + 1;
}

int __wrap_sched_yield(void)
{
    loom_pause();
    return 0;
}

static int sleep_until(int64_t until)
{
    static const char nobody;

    while (loom_now() < until)
        loom_block(&nobody, until, "a sleep");
    return 0;
}

static int64_t ns_of(const struct timespec *t)
{
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

int __wrap_usleep(useconds_t us)
{
    return sleep_until(loom_now() + (int64_t)us * 1000);
}

int __wrap_nanosleep(const struct timespec *ns, struct timespec *left)
{
    (void)left;
    return sleep_until(loom_now() + ns_of(ns));
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
                           struct timespec *left)
{
    (void)clock, (void)left;
    return sleep_until(ns_of(t) + (flags & TIMER_ABSTIME ? 0 : loom_now()));
}

_Noreturn void loom_exit(int status)
{
    fflush(NULL);
    __real__exit(status);
}

void __wrap__exit(int status)
{
    loom_fail("the runtime exits with status %d", status);
}

void __wrap_rn_panic(const char *format, ...)
{
    va_list args;
    char text[256];

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    loom_fail("panic: %s", text);
}

void __wrap_rn__assert_failed(const char *file, int line, const char *condition)
{
    loom_fail("%s:%d: assertion failed: %s", file, line, condition);
}

void __wrap_rn__dump_deadlock(void)
{
    loom_fail("the runtime takes it for a deadlock");
}

/* What was switched to is on its stack now, and cannot be once more before it has been left. */
void __wrap_rn__ctx_switch(struct rn__ctx *from, const struct rn__ctx *to)
{
    struct rn__ctx once = *to;

    if (once.sp == NULL)
        loom_fail("a goroutine runs in two threads at once");
    ((struct rn__ctx *)to)->sp = NULL;
    __real_rn__ctx_switch(from, &once);
}

int __wrap_rn__fault_init(void)
{
    return 0;
}

void __wrap_rn__fault_fini(void) {}

int __wrap_rn__fault_thread_init(void)
{
    return 0;
}

void __wrap_rn__fault_thread_fini(void) {}

int __wrap_rn__signal_init(void)
{
    return 0;
}

void __wrap_rn__signal_fini(void) {}

/* It looks around every ten milliseconds and wakes who has been forgotten: no wake-up would ever be lost. */
void __wrap_rn__monitor_start(void) {}

/* It ends when it has done what it is at. */
void __wrap_rn__monitor_stop(void)
{
    if (world.monitor_done != NULL)
        loom_await(world.monitor_done);
}

void loom_monitor(const bool *done)
{
    world.monitor_done = done;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

/* clang-format off */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *before);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
/* clang-format on */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    (void)attr;
    loom_flush();
    /* The result is lost; nobody here asks for it. */
    *thread = (pthread_t)loom_spawn_attendant((void (*)(void *))(void (*)(void))fn, arg);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    loom_join((int)thread);
    return 0;
}

/* Nobody here sends one. */
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how, (void)set;
    if (before != NULL)
        sigemptyset(before);
    return 0;
}

static bool *held(pthread_mutex_t *m)
{
    return (bool *)(void *)m;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    loom_point("pthread_mutex_lock");
    while (*held(m))
        loom_block(m, LOOM_FOREVER, "pthread_mutex_lock");
    *held(m) = true;
    loom_order_acquire(m);
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    loom_point("pthread_mutex_trylock");
    if (*held(m))
        return EBUSY;
    *held(m) = true;
    loom_order_acquire(m);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    loom_point("pthread_mutex_unlock");
    if (!*held(m))
        loom_fail("pthread_mutex_unlock of a mutex that is free");
    loom_flush();
    loom_order_release(m);
    *held(m) = false;
    loom_wake(m, 1);
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                  const struct timespec *until)
{
    bool woken;

    __wrap_pthread_mutex_unlock(m);
    woken = loom_block(c, until != NULL ? ns_of(until) : LOOM_FOREVER, "pthread_cond_wait");
    __wrap_pthread_mutex_lock(m);
    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return __wrap_pthread_cond_timedwait(c, m, NULL);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    loom_wake(c, 1);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    loom_wake(c, INT_MAX);
    return 0;
}

/* ---- descriptors ---------------------------------------------------------------------------------------- */

/* clang-format off */
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
int __wrap_eventfd(unsigned count, int flags);
ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms);
/* clang-format on */

int loom_fd(void)
{
    for (int i = 0; i < FDS; i++) {
        if (!world.fds[i].open) {
            world.fds[i] = (struct fd){ .open = true };
            return FD_FIRST + i;
        }
    }
    loom_fail("more than %d descriptors", FDS);
}

static struct fd *fd_of(int fd)
{
    return fd >= FD_FIRST && fd < FD_FIRST + FDS ? &world.fds[fd - FD_FIRST] : NULL;
}

bool loom_fd_is_open(int fd)
{
    return fd_of(fd)->open;
}

void loom_fd_ready(int fd, unsigned events)
{
    loom_point("loom_fd_ready");
    loom_trace("descriptor %d is ready for %#x", fd, events);
    fd_of(fd)->ready = events;
    if (events != 0)
        loom_wake(&world, INT_MAX);
}

int __wrap_epoll_create1(int flags)
{
    (void)flags;
    return EPOLL_FD;
}

int __wrap_eventfd(unsigned count, int flags)
{
    (void)count, (void)flags;
    return BREAK_FD;
}

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    struct fd *f = fd_of(fd);

    (void)epoll;
    loom_point("epoll_ctl");
    loom_flush();
    if (fd == BREAK_FD) {
        world.break_registered = op != EPOLL_CTL_DEL;
        world.break_data = event->data.u64;
        return 0;
    }
    if (f == NULL || !f->open || (op == EPOLL_CTL_ADD) == f->registered) {
        errno = f == NULL || !f->open ? EBADF : op == EPOLL_CTL_ADD ? EEXIST : ENOENT;
        return -1;
    }
    f->registered = op != EPOLL_CTL_DEL;
    if (op == EPOLL_CTL_DEL)
        return 0;
    loom_order_release(&world);
    f->armed = event->events & (EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    f->data = event->data.u64;
    loom_wake(&world, INT_MAX);
    return 0;
}

static int events_now(struct epoll_event *events)
{
    int n = 0;

    if (world.break_edge && world.break_registered) {
        world.break_edge = false;
        events[n++] = (struct epoll_event){ .events = EPOLLIN, .data.u64 = world.break_data };
    }
    for (int i = 0; i < FDS; i++) {
        struct fd *f = &world.fds[i];
        unsigned ready = f->ready & (f->armed | EPOLLHUP | EPOLLERR);

        if (!f->open || !f->registered || f->armed == 0 || ready == 0)
            continue;
        f->armed = 0;
        events[n++] = (struct epoll_event){ .events = ready, .data.u64 = f->data };
    }
    return n;
}

static int wait_for_events(struct epoll_event *events, int64_t timeout_ns)
{
    int64_t until = timeout_ns < 0 ? LOOM_FOREVER : loom_now() + timeout_ns;
    int n;

    loom_point("epoll_wait");
    loom_flush();
    do
        n = events_now(events);
    while (n == 0 && timeout_ns != 0 && loom_block(&world, until, "epoll_wait"));
    if (n > 0)
        loom_order_acquire(&world);
    loom_trace("epoll: %d events", n);
    return n;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    (void)epoll, (void)most;
    return wait_for_events(events, timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000000));
}

ssize_t __wrap_write(int fd, const void *from, size_t size)
{
    if (fd != BREAK_FD)
        return __real_write(fd, from, size);
    loom_point("write");
    loom_trace("breaks the poller");
    loom_order_release(&world);
    world.break_edge = true;
    loom_wake(&world, INT_MAX);
    return (ssize_t)size;
}

int __wrap_close(int fd)
{
    struct fd *f = fd_of(fd);

    if (fd == EPOLL_FD) {
        for (int i = 0; i < FDS; i++)
            world.fds[i].registered = false;
        world.break_registered = false;
        return 0;
    }
    if (f == NULL)
        return __real_close(fd);
    loom_point("close");
    loom_flush();
    if (!f->open)
        loom_fail("descriptor %d is closed twice", fd);
    *f = (struct fd){ .open = false };
    return 0;
}

int __wrap_fcntl(int fd, int op, ...)
{
    va_list args;
    long arg;

    va_start(args, op);
    arg = va_arg(args, long);
    va_end(args);
    if (fd_of(fd) == NULL)
        return __real_fcntl(fd, op, arg);
    if (!fd_of(fd)->open)
        errno = EBADF;
    return fd_of(fd)->open ? 0 : -1;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
    int ready = 0;

    (void)timeout_ms; /* the runtime only looks */
    loom_point("poll");
    loom_flush();
    for (nfds_t i = 0; i < n; i++) {
        struct fd *f = fd_of(p[i].fd);

        p[i].revents = (short)(f == NULL || !f->open ? POLLNVAL
                                                     : (f->ready & (unsigned)p[i].events));
        ready += p[i].revents != 0;
    }
    return ready;
}

/* ---- system calls that have no name ---------------------------------------------------------------------- */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

/* A futex's deadline is absolute; of the two kinds of wait only this one is used. */
static long futex(_Atomic uint32_t *word, long op, uint32_t value, const struct timespec *until)
{
    loom_point("futex");
    loom_flush();
    if ((op & FUTEX_CMD_MASK) == FUTEX_WAKE)
        return loom_wake(word, (int)value);
    if (*word != value)
        return -1;
    loom_block(word, until != NULL ? ns_of(until) : LOOM_FOREVER, "futex");
    return 0;
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
    case SYS_futex:
        return futex((_Atomic uint32_t *)a, b, (uint32_t)c, (const struct timespec *)d);
    case SYS_epoll_pwait2: {
        const struct timespec *t = (const struct timespec *)d;

        return wait_for_events((struct epoll_event *)b, t != NULL ? ns_of(t) : -1);
    }
    case SYS_membarrier: /* a fence of every thread, wherever it is */
        loom_point("membarrier");
        loom_flush_all();
        return a == MEMBARRIER_CMD_QUERY
                   ? MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
                   : 0;
    case SYS_sched_getattr: /* of what its threads run on */
        return -1;
    default: /* memory, mostly */
        return __real_syscall(number, a, b, c, d, e, f);
    }
}
