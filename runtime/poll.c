/* poll.c - file descriptors that goroutines wait for, on epoll.   SPDX-License-Identifier: MIT
 *
 * Every wait arms the descriptor anew with EPOLLONESHOT.  A persistent edge-triggered registration would
 * save that system call, but it cannot see that a descriptor was closed and opened again behind our back
 * (a library's close(2)), and then waits for ever; arming anew finds out (ENOENT), and the kernel looks at
 * the state of the file while it arms, so that no edge can be missed.
 *
 * Invariants:
 *  - while a descriptor has waiters, the kernel is armed for at least what they wait for, or an event is on its
 *    way to rn__poll_wait, which takes the same lock: so no waiter sleeps beside a ready descriptor;
 *  - an event carries the generation of the registration it belongs to, and is ignored when that is over;
 *  - a number is closed only when nobody is between rn__fd_enter and rn__fd_leave, so no operation ever acts on the
 *    file that gets the number next.
 *
 * Several may wait for the same direction.  An event wakes the first of them and arms again for the rest,
 * so the next one follows only if the first has left something. */
#include "runtime/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/race.h"
#include "runtime/sched.h"
#include "runtime/watch.h"

#define EVENTS_AT_ONCE 64
#define BREAK_DATA     UINT64_MAX /* no descriptor has it: its number would be negative */

/* The parts of struct rn__fd's users. */
#define GOROUTINE  UINT64_C(1)
#define GOROUTINES UINT64_C(0xffffffff)
#define PLAIN      (UINT64_C(1) << 32)
#define CLOSING    (UINT64_C(1) << 63)

#define CHUNK_BITS 6  /* the first chunk has 64 descriptors, each next one twice as many ... */
#define CHUNKS     26 /* ... so these hold every int >= 0 */

struct rn__fd {
    /* How many GOROUTINEs and PLAIN threads are between enter and leave; CLOSING: rn_fd_close was called. */
    _Atomic uint64_t users;
    _Atomic bool drained; /* the last read has left nothing; a hint, so relaxed */
    int number;           /* set once, when the chunk is made */
    pthread_mutex_t lock; /* short: never held across a park */
    uint32_t generation;  /* of the registration; guarded by lock, as all below */
    bool registered;      /* epoll knows it, unless it was closed behind our back */
    uint32_t armed;       /* epoll events that have been asked for and have not come */
    unsigned want_in;     /* waiters in the queue for POLLIN */
    unsigned want_out;    /* ... for POLLOUT */
    struct rn__fd_wait *first, *last;
};

static struct {
    _Atomic int epoll_fd; /* written by init and fini; plain threads may be here meanwhile */
    int break_fd; /* made by the first init and kept: who breaks late must not hit another file */
    _Atomic bool break_pending; /* break_fd was written and rn__poll_wait has not seen it */
    _Atomic bool no_pwait2;     /* the kernel has no epoll_pwait2; a hint, so relaxed */
    /* Descriptors stay when the scheduler ends.  Release by the maker, acquire by readers: they see it zeroed. */
    struct rn__fd *_Atomic chunk[CHUNKS];
} poller = { .epoll_fd = -1, .break_fd = -1 };

/* ---- the table ----------------------------------------------------------- */

static struct rn__fd *chunk_make(unsigned k)
{
    size_t n = (size_t)1 << (k + CHUNK_BITS);
    struct rn__fd *found = NULL, *made;

    rn__race_hide(); /* it is nobody's */
    made = calloc(n, sizeof *made);
    for (size_t i = 0; made && i < n; i++) {
        made[i].number = (int)(n - ((size_t)1 << CHUNK_BITS) + i);
        pthread_mutex_init(&made[i].lock, NULL);
    }
    rn__race_show();
    if (!made)
        return NULL;
    /* Release publishes what was just initialised; acquire on failure to see the other one's. */
    if (atomic_compare_exchange_strong_explicit(&poller.chunk[k], &found, made,
                                                memory_order_acq_rel, memory_order_acquire))
        return made;
    free(made);
    return found;
}

static struct rn__fd *table_find(int fd, int *rc)
{
    unsigned index = (unsigned)fd + (1u << CHUNK_BITS);
    unsigned high = 31u - (unsigned)__builtin_clz(index);
    unsigned k = high - CHUNK_BITS;
    /* Acquire pairs with the release in chunk_make. */
    struct rn__fd *chunk = atomic_load_explicit(&poller.chunk[k], memory_order_acquire);

    if (!chunk) {
        *rc = fcntl(fd, F_GETFD) < 0 ? -EBADF : -ENOMEM;
        if (*rc == -EBADF) /* a wild number must not cost the memory of all below it */
            return NULL;
        chunk = chunk_make(k);
    }
    return chunk ? &chunk[index - (1u << high)] : NULL;
}

/* ---- one descriptor's queue; its lock is held ------------------------------ */

static void queue_count(struct rn__fd *f, int events, unsigned by)
{
    if (events & POLLIN)
        f->want_in += by;
    if (events & POLLOUT)
        f->want_out += by;
}

static void queue_append(struct rn__fd *f, struct rn__fd_wait *q)
{
    q->next = NULL;
    q->prev = f->last;
    *(f->last ? &f->last->next : &f->first) = q;
    f->last = q;
    q->queued = true;
    queue_count(f, q->events, 1);
}

static void queue_remove(struct rn__fd *f, struct rn__fd_wait *q)
{
    *(q->prev ? &q->prev->next : &f->first) = q->next;
    *(q->next ? &q->next->prev : &f->last) = q->prev;
    q->queued = false;
    queue_count(f, q->events, -1u);
}

static uint32_t queue_wants(const struct rn__fd *f)
{
    return (f->want_in ? (uint32_t)EPOLLIN : 0) | (f->want_out ? (uint32_t)EPOLLOUT : 0);
}

/* Takes out the waiters of whom one of events is asked - for each event the first that can be had, or everybody - and returns
 * those whose claim was won, linked by next: they do not run before the caller wakes them. */
static struct rn__fd_wait *queue_claim(struct rn__fd *f, int events, bool everybody, int error)
{
    struct rn__fd_wait *won = NULL, **tail = &won, *next;

    for (struct rn__fd_wait *q = f->first; q && events; q = next) {
        int ready = q->events & events;

        next = q->next;
        if (!ready)
            continue;
        queue_remove(f, q);
        if (!rn__claim(q->wait, q->outcome))
            continue; /* it timed out or was cancelled; it may be gone once the lock is free */
        q->result = error ? error : ready;
        q->next = NULL;
        *tail = q;
        tail = &q->next;
        if (!everybody)
            events &= ~ready;
    }
    return won;
}

static int wake_all(struct rn__fd_wait *won)
{
    int n = 0;

    for (struct rn__fd_wait *next; won; won = next, n++) {
        next = won->next; /* *won lives on the stack of the one who is woken */
        rn__wake(won->wait);
    }
    return n;
}

/* ---- arming; the descriptor's lock is held ---------------------------------- */

static int control(struct rn__fd *f, int op, uint32_t events)
{
    struct epoll_event event = { .events = events | EPOLLONESHOT };

    event.data.u64 = (uint64_t)f->generation << 32 | (uint32_t)f->number;
    return epoll_ctl(atomic_load(&poller.epoll_fd), op, f->number, &event) < 0 ? -errno : 0;
}

static int arm(struct rn__fd *f)
{
    uint32_t events = queue_wants(f);
    int rc = -ENOENT;

    if (atomic_load(&poller.epoll_fd) < 0)
        return -ESHUTDOWN; /* it ended after the caller had looked */

    if (f->registered)
        rc = control(f, EPOLL_CTL_MOD, events);
    if (rc == -ENOENT) {
        f->generation++; /* what is still on its way belongs to a file that had this number before */
        rc = control(f, EPOLL_CTL_ADD, events);
        if (rc == -EEXIST)
            rc = control(f, EPOLL_CTL_MOD, events);
    }
    f->registered = rc == 0;
    f->armed = rc == 0 ? events : 0;
    return rc;
}

int rn__fd_queue(struct rn__fd_wait *q, struct rn__fd *f, int events, struct rn__wait *w,
                 uint32_t outcome)
{
    bool alone;
    int rc = 0;

    *q = (struct rn__fd_wait){ .fd = f, .wait = w, .outcome = outcome, .events = events };
    pthread_mutex_lock(&f->lock);
    alone = !f->first;
    queue_append(f, q);
    /* CLOSING is set before rn__fd_close takes the lock to evict: it is seen here or we are evicted. */
    if (atomic_load(&f->users) & CLOSING)
        rc = -EBADF;
    /* Who waits alone arms always: what was armed before may have been another file. */
    else if (alone || (queue_wants(f) & ~f->armed) != 0)
        rc = arm(f);
    if (rc < 0)
        queue_remove(f, q);
    pthread_mutex_unlock(&f->lock);
    return rc == -EPERM ? events : rc;
}

void rn__fd_unqueue(struct rn__fd_wait *q)
{
    struct rn__fd *f = q->fd;

    pthread_mutex_lock(&f->lock);
    if (q->queued)
        queue_remove(f, q);
    pthread_mutex_unlock(&f->lock);
}

/* ---- what the last read left, a hint ---- */

bool rn__fd_drained(const struct rn__fd *f)
{
    return atomic_load_explicit(&f->drained, memory_order_relaxed);
}

void rn__fd_say_drained(struct rn__fd *f, bool drained)
{
    if (rn__fd_drained(f) !=
        drained) /* written only where it changes: readers of one descriptor share the line */
        atomic_store_explicit(&f->drained, drained, memory_order_relaxed);
}

/* ---- entering, leaving, closing ---------------------------------------------- */

/* Closes the number, unless somebody is inside after all: then that is done when he leaves.  The mark goes last and the
 * lock is held until then: whoever comes in between waits for it, so that he meets the number when it is free
 * or somebody else's, and no system call of his runs beside the close. */
static int close_now(struct rn__fd *f)
{
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    if (atomic_load(&f->users) == CLOSING) {
        rn__race_acquire(&f->users);
        if (f->registered)
            epoll_ctl(poller.epoll_fd, EPOLL_CTL_DEL, f->number, NULL);
        f->registered = false;
        f->armed = 0;
        f->generation++;
        rn__fd_say_drained(f, false);
        rc = close(f->number) < 0 ? -errno : 0;
        atomic_fetch_and(&f->users, ~CLOSING);
    }
    pthread_mutex_unlock(&f->lock);
    return rc == -EINTR ? 0 : rc; /* Linux has closed it */
}

/* Who enters as a goroutine leaves as one.  They are counted apart because only they are forgotten by rn__poll_fini. */
static uint64_t one_user(void)
{
    return rn__self() ? GOROUTINE : PLAIN;
}

static int leave(struct rn__fd *f)
{
    uint64_t one = one_user();

    rn__race_release(&f->users); /* what we did with the number comes before its close */
    return atomic_fetch_sub(&f->users, one) == (CLOSING | one) ? close_now(f) : 0;
}

void rn__fd_leave(struct rn__fd *f)
{
    (void)leave(f);
    rn__outside_leave();
}

/* It was being closed when we came in: does it still wait for somebody to leave, or is it over? */
static bool still_closing(struct rn__fd *f)
{
    bool closing;

    leave(f);
    pthread_mutex_lock(&f->lock);
    closing = (atomic_load(&f->users) & CLOSING) != 0;
    pthread_mutex_unlock(&f->lock);
    return closing;
}

int rn__fd_enter(int fd, struct rn__fd **out)
{
    struct rn__fd *f;
    int rc = 0;

    if (fd < 0)
        return -EBADF;
    if (!rn__outside_enter())
        return -ESHUTDOWN;
    f = table_find(fd, &rc);
    while (f && atomic_fetch_add(&f->users, one_user()) & CLOSING)
        if (still_closing(f)) {
            rc = -EBADF;
            f = NULL;
        }
    if (!f) {
        rn__outside_leave();
        return rc;
    }
    *out = f;
    return 0;
}

int rn__fd_close(int fd)
{
    struct rn__fd_wait *won;
    struct rn__fd *f = NULL;
    int rc = rn__fd_enter(fd, &f);

    if (rc == -ESHUTDOWN) /* nobody can wait for it */
        return close(fd) < 0 && errno != EINTR ? -errno : 0;
    if (rc < 0)
        return rc;
    if (atomic_fetch_or(&f->users, CLOSING) & CLOSING) {
        rn__fd_leave(f); /* another one was faster */
        return -EBADF;
    }
    pthread_mutex_lock(&f->lock);
    won = queue_claim(f, POLLIN | POLLOUT, true, -EBADF);
    pthread_mutex_unlock(&f->lock);
    wake_all(won);
    rc = leave(f);
    rn__outside_leave();
    return rc;
}

unsigned rn__fd_waiting(int fd)
{
    int rc = 0;
    struct rn__fd *f = fd < 0 ? NULL : table_find(fd, &rc);
    unsigned n = 0;

    if (!f)
        return 0;
    pthread_mutex_lock(&f->lock);
    for (const struct rn__fd_wait *q = f->first; q; q = q->next)
        n++;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* ---- the scheduler's half ------------------------------------------------------ */

int rn__poll_init(void)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = BREAK_DATA };
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc;

    if (epoll_fd < 0)
        return -errno;
    if (poller.break_fd < 0)
        poller.break_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Without the former the latter fails too. */
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, poller.break_fd, &event) < 0) {
        rc = poller.break_fd < 0 ? -EMFILE : -errno;
        close(epoll_fd);
        return rc;
    }
    atomic_store(&poller.break_pending, false);
    atomic_store(&poller.epoll_fd, epoll_fd);
    return 0;
}

/* Forgets the goroutines that were abandoned inside, and closes what they kept from being closed.  Plain threads leave
 * by themselves: they have been woken, but may not have got so far. */
static void reset(struct rn__fd *f)
{
    pthread_mutex_lock(&f->lock);
    for (struct rn__fd_wait *q = f->first, *next; q; q = next) {
        next = q->next;
        if (q->wait->g)
            queue_remove(f, q);
    }
    f->registered = false;
    f->armed = 0;
    f->generation++;
    /* Nobody enters as a goroutine now, so that what was closed meanwhile is not closed twice. */
    if ((atomic_fetch_and(&f->users, ~GOROUTINES) & ~GOROUTINES) == CLOSING) {
        close(f->number);
        atomic_fetch_and(&f->users, ~CLOSING);
    }
    pthread_mutex_unlock(&f->lock);
}

/* A plain thread arms under its descriptor's lock: once each has been ours, the old epoll is known to nobody. */
void rn__poll_fini(void)
{
    int epoll_fd = atomic_exchange(&poller.epoll_fd, -1);

    if (epoll_fd < 0)
        return;
    for (unsigned k = 0; k < CHUNKS; k++) {
        struct rn__fd *chunk = atomic_load(&poller.chunk[k]);

        for (size_t i = 0; chunk && i < (size_t)1 << (k + CHUNK_BITS); i++)
            reset(&chunk[i]);
    }
    close(epoll_fd);
}

/* Not inlined, so that errno is looked up on the thread that made the call. */
static __attribute__((noinline)) int wait_ns(struct epoll_event *events, int64_t timeout_ns)
{
    int64_t ms;
    int n;

#ifdef SYS_epoll_pwait2
    /* Relaxed: each thread may find out for itself. */
    if (timeout_ns > 0 && !atomic_load_explicit(&poller.no_pwait2, memory_order_relaxed)) {
        struct timespec ts = { .tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000 };

        n = (int)syscall(SYS_epoll_pwait2, poller.epoll_fd, events, EVENTS_AT_ONCE, &ts, NULL, 0);
        if (n >= 0 || errno != ENOSYS)
            return n < 0 ? -errno : n;
        atomic_store_explicit(&poller.no_pwait2, true, memory_order_relaxed);
    }
#endif
    ms = timeout_ns < 0 ? -1 : timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    n = epoll_wait(poller.epoll_fd, events, EVENTS_AT_ONCE, ms > INT32_MAX ? INT32_MAX : (int)ms);
    return n < 0 ? -errno : n;
}

/* An error or a hang-up is for everybody: each finds out from its next system call. */
static int poll_events(uint32_t events)
{
    int ready = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= POLLIN;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ready |= POLLOUT;
    return ready;
}

static int dispatch(const struct epoll_event *event)
{
    int rc = 0;
    struct rn__fd *f = table_find((int)(uint32_t)event->data.u64, &rc);
    bool everybody = (event->events & (EPOLLHUP | EPOLLERR)) != 0;
    struct rn__fd_wait *won = NULL;

    rn_assert(f != NULL);
    pthread_mutex_lock(&f->lock);
    if (f->generation == (uint32_t)(event->data.u64 >> 32)) {
        f->armed = 0;
        won = queue_claim(f, poll_events(event->events), everybody, 0);
        if (f->first)
            rc = arm(f);
    }
    if (rc < 0) { /* the number was closed behind our back: nobody may wait for it any more */
        struct rn__fd_wait **tail = &won;

        while (*tail)
            tail = &(*tail)->next;
        *tail = queue_claim(f, POLLIN | POLLOUT, true, rc);
    }
    pthread_mutex_unlock(&f->lock);
    return wake_all(won);
}

int rn__poll_wait(int64_t timeout_ns)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = wait_ns(events, timeout_ns), readied = 0;

    rn_assert(n >= 0 || n == -EINTR);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == BREAK_DATA)
            /* Whoever finds it set from now on has its reason seen by our caller: exchange pairs with exchange. */
            atomic_exchange(&poller.break_pending, false);
        else
            readied += dispatch(&events[i]);
    }
    rn__watch_polled(readied);
    return readied;
}

void rn__poll_break(void)
{
    static const uint64_t one = 1;

    /* Edge-triggered and never read: each write is an event, and 2^64 of them do not fit in a lifetime. */
    if (!atomic_exchange(&poller.break_pending, true))
        (void)!write(poller.break_fd, &one, sizeof one);
}
