/* trace.c - see trace.h.   SPDX-License-Identifier: MIT
 *
 * A ring has a lock, which its worker finds free except while the file is made: so the file can be made at any time, by a
 * thread that saw a signal or by one that is about to abort.  The clock is read under it: a ring is in the order of time.
 *
 * In a simulation a trace is the same for the same seed: the clock is virtual, there is one worker, and channels have numbers
 * in the order in which they are first used, instead of addresses. */
#include "runtime/trace.h"

#include "runtime/chan.h"
#include "runtime/sim.h"
#include "runtime/state.h"
#include "runtime/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORDS_DEFAULT (UINT64_C(1) << 16)
#define RECORDS_MAX     (UINT64_C(1) << 24)
#define TRIES           1000

struct ring {
    struct rn__lock lock;
    struct rn__record *at; /* guarded by lock, as n */
    uint64_t n;            /* records so far; the last `room` of them are there */
} __attribute__((aligned(64)));

_Atomic bool rn__trace_on;

static struct {
    char path[512];
    int fd;
    pid_t pid;          /* whose file it is: not that of a child of fork */
    struct ring *rings; /* of each worker, then of the plain threads */
    unsigned n_rings;
    uint64_t room; /* of each; a power of two */
    int64_t begin_ns;
    uint32_t era;            /* of traces: numbers of channels that are older do not count */
    _Atomic uint32_t chans;  /* how many have one */
    struct rn__lock writing; /* held while the file is made */
} trace;

/* ---- recording ------------------------------------------------------------------------------------ */

/* now 0: as soon as the ring is ours, which matters where several write. */
static void record_at(const struct rn__worker *w, rn_time now, enum rn__trace_what what,
                      uint64_t who, uint64_t a, uint64_t b)
{
    struct ring *ring = &trace.rings[w != NULL ? w->index : trace.n_rings - 1];

    rn__lock(&ring->lock);
    ring->at[ring->n++ & (trace.room - 1)] = (struct rn__record){ now != 0 ? now : rn_now(),
                                                                  who | (uint64_t)what << 56, a,
                                                                  b };
    rn__unlock(&ring->lock);
}

static void record(const struct rn__worker *w, enum rn__trace_what what, uint64_t who, uint64_t a,
                   uint64_t b)
{
    record_at(w, 0, what, who, a, b);
}

/* Whose doing it is what happens on w now; 0: a plain thread's, a timer's, a descriptor's. */
static uint64_t actor(const struct rn__worker *w)
{
    return w != NULL && w->current != NULL && !w->watch.bystander ? w->current->id : 0;
}

/* Of this trace: given at the first use. */
static uint32_t chan_number(rn_chan *c)
{
    if (c->trace_id >> 32 != trace.era)
        c->trace_id = (uint64_t)trace.era << 32 | (atomic_fetch_add(&trace.chans, 1) + 1);
    return (uint32_t)c->trace_id;
}

void rn__trace_ready(struct rn__worker *w, struct rn__g *g, bool woken)
{
    bool begins = g->ready_weight == 0;

    if (begins)
        g->trace_chan = 0;
    if (begins && g->name[0] != '\0')
        rn__trace_name(g);
    record(w, RN__TRACE_READY, g->id, woken ? actor(w) : 0, begins ? (uintptr_t)g->fn : 0);
}

void rn__trace_run(struct rn__worker *w, struct rn__g *g, rn_time now)
{
    record_at(w, now, RN__TRACE_RUN, g->id, (uint64_t)g->ready_ns, 0);
}

void rn__trace_leave(struct rn__worker *w, rn_time now)
{
    struct rn__g *g = w->left;
    uint64_t why = (uint64_t)atomic_load_explicit(&g->why, memory_order_relaxed);
    const void *object = atomic_load_explicit(&g->object, memory_order_relaxed);
    uint64_t how = (uint64_t)w->left_how, chan = g->trace_chan;

    g->trace_chan = 0;
    if (how == RN__LEFT_UNLOCKING) { /* the channel, which is still locked */
        how = RN__LEFT_PARKED;
        chan = chan_number((rn_chan *)object);
    }
    if (how != RN__LEFT_PARKED) {
        why = RN__WHY_NONE;
        object = (const void *)(uintptr_t)g->fn;
    }
    if (w->left_how == RN__LEFT_ENDED && g->name[0] != '\0')
        rn__trace_name(g);
    record_at(w, now, RN__TRACE_LEAVE, g->id, how | why << 8 | chan << 16, (uintptr_t)object);
}

void rn__trace_handed(struct rn__g *g)
{
    struct rn__worker *w = rn__worker();

    record(w, RN__TRACE_HANDED, g->id, actor(w), 0);
}

void rn__trace_name(struct rn__g *g)
{
    uint64_t words[RN__NAME_MAX / 8];

    _Static_assert(sizeof words == 4 * sizeof(uint64_t), "two records hold a name");
    memcpy(words, g->name, sizeof words);
    record(rn__worker(), RN__TRACE_NAME, g->id, words[0], words[1]);
    record(rn__worker(), RN__TRACE_NAME_ON, g->id, words[2], words[3]);
}

void rn__trace_element(rn_chan *c, enum rn__trace_what what, const struct rn__op *sender)
{
    size_t slot = c->head + (what == RN__TRACE_POP ? 0 : c->count - 1);
    struct rn__worker *w = rn__worker();
    uint64_t who = actor(w);
    const struct rn__g *g;

    if (sender != NULL) {
        what = RN__TRACE_PUSHED;
        g = sender->sole != NULL ? sender->sole : sender->wait->g;
        who = g != NULL ? g->id : 0;
    }
    record(w, what, who, chan_number(c), slot < c->cap ? slot : slot - c->cap);
}

void rn__trace_wait(rn_chan *c)
{
    struct rn__g *g = rn__self();

    if (g != NULL)
        g->trace_chan = chan_number(c);
}

/* ---- the file ----------------------------------------------------------------------------------------- */

static void complain(const char *what, int error)
{
    dprintf(STDERR_FILENO, "runnel: RN_TRACE: cannot %s %s: %s\n", what, trace.path,
            strerror(error));
}

/* "%p" in the name is the number of the process, so that children do not write over one another's. */
static bool path_set(const char *from)
{
    const char *at = strstr(from, "%p");
    int n = at == NULL ? snprintf(trace.path, sizeof trace.path, "%s", from)
                       : snprintf(trace.path, sizeof trace.path, "%.*s%ld%s", (int)(at - from),
                                  from, (long)getpid(), at + 2);

    return n >= 0 && (size_t)n < sizeof trace.path;
}

static uint64_t room_wanted(void)
{
    const char *text = secure_getenv("RN_TRACE_RECORDS");
    uint64_t n = text != NULL ? strtoull(text, NULL, 10) : RECORDS_DEFAULT, room = 16;

    while (room < n && room < RECORDS_MAX)
        room *= 2;
    return room;
}

/* Memory that costs nothing until it is touched; NULL: there is none. */
static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);

    return at != MAP_FAILED ? at : NULL;
}

static size_t rings_size(void)
{
    return trace.n_rings * (sizeof(struct ring) + trace.room * sizeof(struct rn__record));
}

static bool rings_make(unsigned n)
{
    struct rn__record *at;

    trace.n_rings = n;
    trace.room = room_wanted();
    trace.rings = map(rings_size());
    if (trace.rings == NULL)
        return false;
    at = (struct rn__record *)(trace.rings + n);
    for (unsigned i = 0; i < n; i++)
        trace.rings[i].at = at + i * trace.room;
    return true;
}

void rn__trace_begin(unsigned n_workers)
{
    const char *path = secure_getenv("RN_TRACE");

    if (path == NULL || path[0] == '\0')
        return;
    trace.fd = -1;
    if (path_set(path))
        trace.fd = open(trace.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    else
        errno = ENAMETOOLONG;
    if (trace.fd < 0) {
        complain("make", errno);
        return;
    }
    if (!rings_make(n_workers + 1)) {
        complain("get memory for", ENOMEM);
        close(trace.fd);
        return;
    }
    trace.pid = getpid();
    trace.begin_ns = rn_now();
    trace.era++;
    atomic_store(&trace.chans, 0);
    atomic_store(&rn__trace_on, true);
}

/* Who is not calm may be the holder himself; others hold it for some nanoseconds, unless they were just preempted. */
static bool ring_lock(struct ring *ring, bool calm)
{
    uint32_t free = 0;

    for (int i = 0; !calm && i < TRIES; i++, free = 0) {
        if (atomic_compare_exchange_strong(&ring->lock.word, &free, 1))
            return true;
        sched_yield();
    }
    if (calm)
        rn__lock(&ring->lock);
    return calm;
}

/* Copies what is in the ring, the oldest first; how many are not there any more. */
static uint64_t ring_copy(struct ring *ring, struct rn__record *to, struct rn__ring *out, bool calm)
{
    uint64_t first;

    *out = (struct rn__ring){ .at = to };
    if (!ring_lock(ring, calm))
        return 0;
    first = ring->n > trace.room ? ring->n - trace.room : 0;
    for (uint64_t i = first; i < ring->n; i++)
        to[i - first] = ring->at[i & (trace.room - 1)];
    out->n = ring->n - first;
    rn__unlock(&ring->lock);
    return first;
}

static int write_copy(struct rn__ring *rings, struct rn__record *to, bool calm)
{
    struct rn__timeline t = { .rings = rings,
                              .n_rings = trace.n_rings,
                              .begin_ns = trace.begin_ns,
                              .names = calm,
                              .addresses = !rn__sim_active() };

    for (unsigned i = 0; i < trace.n_rings; i++)
        t.dropped += ring_copy(&trace.rings[i], to + i * trace.room, &rings[i], calm);
    t.end_ns = rn_now();
    if (ftruncate(trace.fd, 0) < 0 && errno != EINVAL) /* a pipe or a device cannot, and is fine */
        return -errno;
    (void)lseek(trace.fd, 0, SEEK_SET);
    return rn__timeline_write(&t, trace.fd);
}

/* The file as of now; `writing` is held. */
static void write_locked(bool calm)
{
    size_t size = trace.n_rings *
                  (sizeof(struct rn__ring) + trace.room * sizeof(struct rn__record));
    struct rn__ring *rings = map(size);
    int rc = -ENOMEM;

    if (rings != NULL) {
        rc = write_copy(rings, (struct rn__record *)(rings + trace.n_rings), calm);
        munmap(rings, size);
    }
    if (rc < 0)
        complain("write", -rc);
}

void rn__trace_write(bool calm)
{
    uint32_t free = 0;

    /* Not waited for: it may be we ourselves who hold it, if this has gone wrong. */
    if (!rn__tracing() || trace.pid != getpid() ||
        !atomic_compare_exchange_strong(&trace.writing.word, &free, 1))
        return;
    write_locked(calm);
    rn__unlock(&trace.writing);
}

void rn__trace_end(void)
{
    if (!rn__tracing())
        return;
    rn__lock(&trace.writing);
    atomic_store(&rn__trace_on, false);
    close(trace.fd);
    munmap(trace.rings, rings_size());
    rn__unlock(&trace.writing);
}

/* A program that calls exit() in a goroutine has its trace too. */
static __attribute__((destructor)) void at_exit(void)
{
    rn__trace_write(/* calm= */ true);
}
