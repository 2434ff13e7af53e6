/* time.c - clocks; virtual in a simulation.   SPDX-License-Identifier: MIT */
#include "runtime/rn.h"

#include "runtime/sim.h"
#include "runtime/state.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * RN_SEC + t.tv_nsec;
}

rn_time rn_now(void)
{
    return rn__sim_active() ? rn__sim_now() : clock_ns(CLOCK_MONOTONIC);
}

rn_time rn__now_coarse(void)
{
    return rn__sched.mode == RN__MODE_SIM ? rn__sim_now() : clock_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t rn__boottime(void)
{
    return rn__sim_active() ? rn__sim_boottime() : clock_ns(CLOCK_BOOTTIME);
}

/* Of a thread, so that who looks from ten thousand places reads the clock no more often than who looks from one. */
static __thread struct {
    int64_t boot_ns;
    struct timespec coarse;
} glance;

/* Not inlined: its caller may go on on another thread later. */
__attribute__((noinline)) int64_t rn__boottime_glance(void)
{
    struct timespec coarse;

    if (rn__sim_active())
        return rn__sim_boottime();
    /* The real one: it goes on while the machine is suspended, as CLOCK_BOOTTIME does, which has none.  Read first, so that a
     * tick in between is seen next time. */
    clock_gettime(CLOCK_REALTIME_COARSE, &coarse);
    if (coarse.tv_nsec != glance.coarse.tv_nsec || coarse.tv_sec != glance.coarse.tv_sec) {
        glance.boot_ns = clock_ns(CLOCK_BOOTTIME);
        glance.coarse = coarse;
    }
    return glance.boot_ns;
}

/* A second of the day, and a leap second as long as that, for one that is inserted has the number of the one before. */
#define SECOND_NS (2 * RN_SEC + RN__GLANCE_NS)

/* Of a thread: what rn__boottime() was when a second began to be looked at. */
static __thread struct {
    int64_t boot_ns;
    time_t second;
} second;

static __attribute__((noinline)) bool before_closely(int64_t at_ns, time_t now)
{
    if (now !=
        second.second) { /* read before, so that what it has gone on by since is seen next time */
        second.boot_ns = clock_ns(CLOCK_BOOTTIME);
        second.second = now;
    }
    return second.boot_ns < at_ns - SECOND_NS || rn__boottime_glance() < at_ns - RN__GLANCE_NS;
}

/* Not inlined, as the one above. */
__attribute__((noinline)) bool rn__boottime_before(int64_t at_ns)
{
    time_t now;

    if (rn__sim_active())
        return rn__sim_boottime() < at_ns;
    now = time(NULL);
    if (now == second.second && second.boot_ns < at_ns - SECOND_NS)
        return true;
    return before_closely(at_ns, now);
}

rn_time rn_after(int64_t ns)
{
    rn_time until;

    return __builtin_add_overflow(rn_now(), ns, &until) ? (ns > 0 ? RN_FOREVER : RN_NOWAIT) : until;
}

static int sleep_inside(rn_time until)
{
    struct rn__wait w;
    int rc = rn__check();

    if (rc < 0)
        return rc;
    if (rn__deadline_passed(until)) {
        rn_yield();
        return 0;
    }
    rn__wait_init(&w);
    rc = rn__wait_park(&w, RN__WHY_SLEEP, NULL, until);
    return rc == RN_ETIMEDOUT ? 0 : rc;
}

int rn_sleep(rn_time until)
{
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = sleep_inside(until);
    rn__outside_leave();
    return rc;
}
