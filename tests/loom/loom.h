/* loom.h - the systematic scheduler test: real code of the runtime, under every schedule that matters.   SPDX-License-Identifier: MIT
 *
 * The sources of the runtime are built a second time, with atomics that are scheduling points (include/stdatomic.h), and
 * threads, futexes, mutexes, clock, memory and epoll that are models of ours (world.c).  Threads are virtual: coroutines on
 * one thread of the system, so that a schedule is a list of decisions, and can be replayed.  A unit is a small program
 * over that; explore.c runs it again and again, each time in another schedule:
 *
 *  - depth first: every schedule with few decisions that are not the usual one.  Two preemptions at most; who blocks or
 *    spins may be followed by anybody;
 *  - PCT: random priorities that change at a few random places, from a seed; and random walks.
 *
 * Memory is weaker than the order of the schedule: a store that is not seq_cst may be delayed, behind later loads and
 * relaxed stores, until its thread does something that orders it: a release store goes behind it, a change with release, a
 * fence or a blocking call after it (C11's rules, or stricter; x86 does the loads, aarch64 the stores too).
 *
 * Anything that is not so ends the program with the command that replays it. */
#ifndef TESTS_LOOM_LOOM_H
#define TESTS_LOOM_LOOM_H

#include <stdbool.h>
#include <stdint.h>

struct loom_unit {
    const char *name, *says;
    void (*run)(void); /* the first virtual thread, anew for each schedule */
};

/* Defines a unit; its body follows. */
#define LOOM_UNIT(unit, what)                                                 \
    static void loom_##unit(void);                                            \
    static const struct loom_unit unit##_unit = { #unit, what, loom_##unit }; \
    static const struct loom_unit *const unit##_listed                        \
        __attribute__((section("loom_units"), used)) = &unit##_unit;          \
    static void loom_##unit(void)

/* ---- for units ---- */

/* A thread that runs fn(arg); its number.  They must have ended when the first one returns, so join them. */
int loom_spawn(void (*fn)(void *arg), void *arg);
void loom_join(int thread);
void loom_join_all(void); /* that the unit has spawned */

/* Decisions are explored between these; before and after, threads run on until they block. */
void loom_begin(void);
void loom_end(void);

/* Virtual time.  It stands, unless somebody advances it or all sleep; what sleeps longer than is allowed here has lost its
 * wake-up. */
int64_t loom_now(void);
void loom_advance(int64_t ns);
void loom_may_sleep(int64_t until);

/* A descriptor that is never ready until it is said to be, for these epoll events; it is told to the model of epoll. */
int loom_fd(void);
void loom_fd_ready(int fd, unsigned events);
bool loom_fd_is_open(int fd);

/* The thread blocks, as in a call of the system, until the flag is set by loom_tell(). */
void loom_await(const bool *flag);
void loom_tell(bool *flag);
/* For a thread of the unit that is the monitor: the scheduler does not end before the flag is set. */
void loom_monitor(const bool *done);

/* Another may run here, and in loom_pause() one must who can. */
void loom_point(const char *where);
void loom_pause(void);

/* What a unit reads or writes itself, for the look at races: of the runtime every plain access is seen, see races.c. */
void loom_reads(const void *at);
void loom_writes(void *at);

/* A number that differs from schedule to schedule, yet is the same when it is replayed. */
uint64_t loom_random(void);

_Noreturn void loom_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define loom_check(cond)                                               \
    do {                                                               \
        if (!(cond))                                                   \
            loom_fail("%s:%d: not so: %s", __FILE__, __LINE__, #cond); \
    } while (0)

#endif
