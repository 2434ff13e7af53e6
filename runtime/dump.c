/* dump.c - reports: every goroutine, a deadlock, the end of the program.   SPDX-License-Identifier: MIT
 *
 * The goroutines are copied first (roster.c) and printed then: nothing is written while they are kept from ending, since
 * whoever reads the other end of the pipe may be one of them. */
#include "runtime/dump.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "runtime/frames.h"
#include "runtime/print.h"
#include "runtime/rn.h"
#include "runtime/roster.h"
#include "runtime/sched.h"

void rn__dump_who(struct rn__print *p, uint64_t id, const char *name, bool system)
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

static void print_wait(struct rn__print *p, const struct rn__seen *e)
{
    rn__print_text(p, rn__why_text(e->why));
    if (e->why == RN__WHY_FD) {
        rn__print_text(p, " ");
        rn__print_number(p, (intptr_t)e->object);
    } else if (e->object) {
        rn__print_text(p, " ");
        rn__print_pointer(p, e->object);
    }
    rn__print_text(p, ", ");
    rn__print_time(p, e->seen_ns - e->since_ns);
}

void rn__dump_seen(struct rn__print *p, const struct rn__seen *e)
{
    rn__dump_who(p, e->id, e->name, e->system);
    rn__print_text(p, " [");
    if (e->state == RN__G_RUNNING)
        rn__print_text(p, "running");
    else if (e->state == RN__G_RUNNABLE)
        rn__print_text(p, "runnable");
    else
        print_wait(p, e);
    rn__print_text(p, "]:\n");
    rn__frames_print(&e->frames, p);
    rn__print_text(p, "\n");
}

/* The caller's own frames, from this one's caller on. */
__attribute__((noinline)) bool rn__dump_own_frames(struct rn__frames *f)
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
    struct rn__roster all;

    if (rn__roster_take(&all) < 0) {
        rn__print_text(p, "no memory to list the goroutines\n");
        return;
    }
    for (size_t i = 0; i < all.n; i++) {
        if (all.seen[i].g == self)
            rn__dump_own_frames(&all.seen[i].frames);
        rn__dump_seen(p, &all.seen[i]);
    }
    rn__roster_drop(&all);
}

static void print_count(struct rn__print *p, uint64_t n, const char *of_what)
{
    rn__print_number(p, (int64_t)n);
    rn__print_text(p, of_what);
}

/* The figures of rn_stats that answer: is it busy, and with what. */
static void print_figures(struct rn__print *p)
{
    rn_stats s;

    rn_stats_read(&s);
    print_count(p, s.goroutines, " goroutines: ");
    print_count(p, s.running, " running, ");
    print_count(p, s.runnable, " runnable, ");
    print_count(p, s.waiting, " waiting; ");
    print_count(p, s.timers, " timers\n");
    print_count(p, s.workers, " workers, ");
    print_count(p, s.workers_idle, " idle; runnable for at most ");
    print_count(p, (uint64_t)rn_latency_part(&s, 0.5) / 1000, " us half of the times, ");
    print_count(p, (uint64_t)rn_latency_part(&s, 0.99) / 1000, " us of 99 in 100\n");
    print_count(p, s.parks, " parks, ");
    print_count(p, s.steals, " steals, ");
    print_count(p, s.lock_waits, " waits for locks of ");
    rn__print_time(p, (int64_t)s.lock_wait_ns);
    rn__print_text(p, " in all; stacks of ");
    print_count(p, s.stack_bytes_used >> 10, " KiB in use, ");
    print_count(p, (s.stack_bytes - s.stack_bytes_used) >> 10, " KiB kept\n");
}

void rn_dump(int fd)
{
    struct rn__print p;

    rn__print_init(&p, fd);
    print_all(&p);
    print_figures(&p);
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
        rn__dump_who(&p, g->id, g->name, g->system);
        rn__print_text(&p, " [running]:\n");
    }
    rn__dump_own_frames(&frames);
    rn__frames_print(&frames, &p);
    rn__print_flush(&p);
}
