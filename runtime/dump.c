/* dump.c - reports: every goroutine, a deadlock, the end of the program.   SPDX-License-Identifier: MIT
 *
 * The goroutines are copied first and printed then: nothing is written while their registry is locked, since whoever
 * reads the other end of the pipe may be one of them.  The copy is mapped, not allocated, because the heap may be what
 * is broken.
 *
 * A goroutine does not end while its registry is locked, so its stack can be read; it may be woken meanwhile, so
 * what is read there counts only if it was parked before and after, by the same park. */
#include "runtime/dump.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/frames.h"
#include "runtime/print.h"
#include "runtime/rn.h"
#include "runtime/sched.h"

struct entry {
    uint64_t id;
    const struct rn__g *g; /* to be compared only: it may be gone */
    int state;             /* enum rn__g_state */
    int why;               /* enum rn__why */
    const void *object;
    int64_t since_ns;
    bool system;
    char name[RN__NAME_MAX];
    struct rn__frames frames;
};

struct copy {
    struct entry *entries;
    size_t n, room;
};

/* ---- copying ----------------------------------------------------------------------- */

/* Parked, and no more on its way there: what its context says is true. */
static bool is_parked(const struct rn__g *g)
{
    return atomic_load(&g->token) == 2;
}

/* The frame that rn__ctx_switch has made on the stack of who does not run. */
static uintptr_t saved_frame(const struct rn__ctx *ctx)
{
#if defined(__x86_64__)
    return (uintptr_t)ctx->sp + 48; /* above the control words and five registers */
#else
    return (uintptr_t)ctx->sp;
#endif
}

static void copy_frames(struct entry *e, struct rn__g *g)
{
    uintptr_t low = (uintptr_t)g->stack->low;

    rn__frames_walk(&e->frames, NULL, saved_frame(&g->ctx), low, low + g->stack->size);
    if (!is_parked(g) || atomic_load(&g->since_ns) != e->since_ns)
        e->frames.n = 0;
}

static void copy_one(struct rn__g *g, void *arg)
{
    struct copy *c = arg;
    struct entry *e;

    if (c->n == c->room)
        return; /* many have started since they were counted */
    e = &c->entries[c->n++];
    e->g = g;
    e->id = g->id;
    e->state = (int)atomic_load(&g->state);
    e->why = atomic_load(&g->why);
    e->object = atomic_load(&g->object);
    e->since_ns = atomic_load(&g->since_ns);
    e->system = g->system;
    memcpy(e->name, g->name, sizeof e->name);
    e->frames.n = 0;
    if (is_parked(g))
        copy_frames(e, g);
}

static void count_one(struct rn__g *g, void *arg)
{
    (void)g;
    ++*(size_t *)arg;
}

/* Heap sort: qsort may allocate. */
static void sift(struct entry *e, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        struct entry swap;

        if (child + 1 < n && e[child + 1].id > e[child].id)
            child++;
        if (e[at].id >= e[child].id)
            return;
        swap = e[at];
        e[at] = e[child];
        e[child] = swap;
    }
}

static void sort(struct entry *e, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(e, i, n);
    for (size_t i = n; i-- > 1;) {
        struct entry swap = e[0];

        e[0] = e[i];
        e[i] = swap;
        sift(e, 0, i);
    }
}

static bool copy_all(struct copy *c)
{
    size_t n = 64; /* some more may start while we count */
    void *map;

    rn__each_g(count_one, &n);
    map = mmap(NULL, n * sizeof *c->entries, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
    if (map == MAP_FAILED)
        return false;
    *c = (struct copy){ .entries = map, .room = n };
    rn__each_g(copy_one, c);
    sort(c->entries, c->n);
    return true;
}

/* ---- printing ------------------------------------------------------------------------ */

static const char *why_text(int why)
{
    switch ((enum rn__why)why) {
    case RN__WHY_SEND:
        return "chan send";
    case RN__WHY_RECV:
        return "chan receive";
    case RN__WHY_SELECT:
        return "select";
    case RN__WHY_SLEEP:
        return "sleep";
    case RN__WHY_GROUP:
        return "group wait";
    case RN__WHY_FOREVER:
        return "for ever";
    case RN__WHY_BOUND:
        return "bound chan";
    case RN__WHY_SIGNAL:
        return "signal";
    case RN__WHY_FD:
        return "fd";
    case RN__WHY_BLOCK:
        return "rn_block";
    case RN__WHY_NOTE:
        return "note";
    case RN__WHY_NONE:
        break;
    }
    return "waiting";
}

static void print_who(struct rn__print *p, uint64_t id, const char *name, bool system)
{
    rn__print_text(p, "goroutine ");
    rn__print_number(p, (int64_t)id);
    if (name[0]) {
        rn__print_text(p, " \"");
        rn__print_text(p, name);
        rn__print_text(p, "\"");
    }
    if (system)
        rn__print_text(p, " (system)");
}

static void print_wait(struct rn__print *p, const struct entry *e, int64_t now)
{
    rn__print_text(p, why_text(e->why));
    if (e->why == RN__WHY_FD) {
        rn__print_text(p, " ");
        rn__print_number(p, (intptr_t)e->object);
    } else if (e->object) {
        rn__print_text(p, " ");
        rn__print_pointer(p, e->object);
    }
    rn__print_text(p, ", ");
    rn__print_time(p, now - e->since_ns);
}

static void print_entry(struct rn__print *p, const struct entry *e, int64_t now)
{
    print_who(p, e->id, e->name, e->system);
    rn__print_text(p, " [");
    if (e->state == RN__G_RUNNING)
        rn__print_text(p, "running");
    else if (e->state == RN__G_RUNNABLE)
        rn__print_text(p, "runnable");
    else
        print_wait(p, e, now);
    rn__print_text(p, "]:\n");
    rn__frames_print(&e->frames, p);
    rn__print_text(p, "\n");
}

/* The caller's own frames, from this one's caller on. */
static __attribute__((noinline)) bool own_frames(struct rn__frames *f)
{
    struct rn__g *g = rn__self();
    uintptr_t low;

    f->n = 0;
    if (!g)
        return false;
    low = (uintptr_t)g->stack->low;
    rn__frames_walk(f, NULL, (uintptr_t)__builtin_frame_address(0), low, low + g->stack->size);
    return true;
}

static void print_all(struct rn__print *p)
{
    struct rn__g *self = rn__self();
    int64_t now = rn_now();
    struct copy c;

    if (!copy_all(&c)) {
        rn__print_text(p, "no memory to list the goroutines\n");
        return;
    }
    for (size_t i = 0; i < c.n; i++) {
        if (c.entries[i].g == self)
            own_frames(&c.entries[i].frames);
        print_entry(p, &c.entries[i], now);
    }
    munmap(c.entries, c.room * sizeof *c.entries);
}

void rn_dump(int fd)
{
    struct rn__print p;

    rn__print_init(&p, fd);
    print_all(&p);
    rn__print_flush(&p);
}

void rn__dump_deadlock(void)
{
    struct rn__print p;

    rn__print_init(&p, STDERR_FILENO);
    rn__print_text(&p, "fatal error: all goroutines are asleep - deadlock!\n\n");
    print_all(&p);
    rn__print_flush(&p);
}

void rn__dump_self(int fd)
{
    struct rn__g *g = rn__self();
    struct rn__frames frames;
    struct rn__print p;

    rn__print_init(&p, fd);
    if (g) {
        print_who(&p, g->id, g->name, g->system);
        rn__print_text(&p, " [running]:\n");
    }
    own_frames(&frames);
    rn__frames_print(&frames, &p);
    rn__print_flush(&p);
}

void rn_stats_read_v(rn_stats *out, size_t size)
{
    rn_stats now;

    rn__stats_sum(&now);
    memset(out, 0, size); /* what a later version has and we have not is none */
    memcpy(out, &now, size < sizeof now ? size : sizeof now);
}
