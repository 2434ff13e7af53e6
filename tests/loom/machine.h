/* machine.h - virtual threads and their memory, for explore.c and world.c.   SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOM_MACHINE_H
#define TESTS_LOOM_MACHINE_H

#include "tests/loom/loom.h"

#include <stddef.h>

#define LOOM_THREADS_MAX 8
#define LOOM_STEPS_MAX   16384u /* decisions in one schedule: who needs more does not end */
#define LOOM_FOREVER     INT64_MAX

enum loom_kind {
    LOOM_PREEMPT, /* the thread can go on; alternatives: others */
    LOOM_SWITCH,  /* it cannot, or gives way; alternatives: others than the usual next */
    LOOM_DELAY,   /* alternative 1: the store is delayed */
    LOOM_BURN,    /* alternative 1: it spins on and on, before anybody else does anything */
};

/* Of the decisions of a schedule: the next one, and before which all are the usual ones. */
extern struct loom_path {
    unsigned step, usual_until;
} loom_path;
int loom_decide_asked(enum loom_kind kind, unsigned alternatives, int current);

/* Decides: the bits of `alternatives` say which there are.  -1: the usual one. */
static inline int loom_decide(enum loom_kind kind, unsigned alternatives, int current)
{
    if (loom_path.step >= loom_path.usual_until)
        return loom_decide_asked(kind, alternatives, current);
    loom_path.step++;
    return -1;
}

/* The thread spins, or begins: for priorities. */
void loom_lower(int thread);

/* Runs one schedule of the unit; returns when its threads have ended.  races: plain accesses are looked at, too. */
void loom_run(const struct loom_unit *unit, uint64_t seed, bool races);
/* Prints the thread's operations. */
extern bool loom_tracing;
void loom_trace_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define loom_trace(...)                  \
    do {                                 \
        if (loom_tracing)                \
            loom_trace_say(__VA_ARGS__); \
    } while (0)
/* What is said at a failure. */
void loom_say_replay(void);

/* ---- for world.c ---- */

/* false: the deadline came first.  `what` for reports. */
bool loom_block(const void *key, int64_t deadline, const char *what);
/* How many were woken of those that block on key. */
int loom_wake(const void *key, int count);
/* Of the calling thread: what it has stored is seen by all. */
void loom_flush(void);
void loom_flush_all(void); /* the same of all threads */
int loom_spawn_attendant(void (*fn)(void *arg), void *arg);
extern int loom_self; /* that runs; -1: none, but explore.c */
void loom_world_reset(void);
/* Memory that is taken back at the end of a schedule, so that addresses depend on nothing else. */
void loom_arena_begin(void);
void loom_arena_end(void);
/* Of the workers' memory, see mapped.c: at the end of a schedule, and of all of a unit. */
void loom_mapped_check(void);
void loom_mapped_forget(void);
_Noreturn void loom_exit(int status);

#endif
