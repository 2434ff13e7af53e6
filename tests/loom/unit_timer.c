/* unit_timer.c - timers that are set, stopped and moved while they fire, and who sleeps.   SPDX-License-Identifier: MIT */
#include "tests/loom/crew.h"

#include "runtime/sched.h"
#include "runtime/timer.h"

#include <string.h>

#define WORKERS 2

static struct {
    rn_time begin;
    struct rn__timer timer;
    struct rn__g *sleeper;
    int fired, set, stopped, woken;
    bool gone; /* the timer's memory is another's */
} s;

static rn_time on_fire(struct rn__timer *t, rn_time now)
{
    loom_check(t == &s.timer && !s.gone);
    loom_check(now >= s.begin + RN_MS);
    s.fired++;
    return 0;
}

static void set_up(void)
{
    memset(&s, 0, sizeof s);
    s.timer.fire = on_fire;
    s.begin = loom_now();
    loom_may_sleep(s.begin +
                   4 * RN_MS); /* who computes how long to sleep while time goes on sleeps longer */
}

static void time_goes_on(void *arg)
{
    (void)arg;
    loom_point("the clock");
    loom_advance(RN_MS);
    loom_point("the clock");
    loom_advance(RN_MS);
}

/* ---- exact stops ---- */

static void set_and_stop(void *arg)
{
    (void)arg;
    loom_check(rn__timer_start(&s.timer, s.begin + RN_MS) == 0);
    rn_yield();
    s.stopped = rn__timer_stop(&s.timer);
    s.gone = true;
    loom_check(s.fired + s.stopped == 1);
}

static void sleep_1(void *arg)
{
    (void)arg;
    loom_check(rn_sleep(s.begin + RN_MS) == 0);
    loom_check(loom_now() >= s.begin + RN_MS);
    s.woken++;
}

static void sleep_2(void *arg)
{
    (void)arg;
    loom_check(rn_sleep(s.begin + 2 * RN_MS) == 0);
    loom_check(loom_now() >= s.begin + 2 * RN_MS);
    s.woken++;
}

LOOM_UNIT(timer_stop, "a timer is stopped or has fired, and is not touched after that")
{
    static rn_fn *const crew[] = { set_and_stop, sleep_1, NULL };

    set_up();
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.woken == 1);
}

static void set_and_move(void *arg)
{
    int was_set;

    (void)arg;
    loom_check(rn__timer_start(&s.timer, s.begin + RN_MS) == 0);
    was_set = rn__timer_move(&s.timer, s.begin + 2 * RN_MS);
    loom_check(was_set == 0 || was_set == 1);
    loom_check(rn_sleep(s.begin + 2 * RN_MS) == 0);
    s.stopped = rn__timer_stop(&s.timer);
    loom_check(s.fired + s.stopped == 1 + (was_set == 0));
}

LOOM_UNIT(timer_move, "a timer that is moved fires once more, and once if it had not")
{
    static rn_fn *const crew[] = { set_and_move, sleep_1, NULL };

    set_up();
    loom_spawn(time_goes_on, NULL);
    crew_run(WORKERS, crew);
    loom_check(s.woken == 1);
}

/* ---- nobody oversleeps ---- */

LOOM_UNIT(timer_sleep,
          "whoever sleeps is woken in time, the earlier set last, all workers asleep or not")
{
    static rn_fn *const crew[] = { sleep_2, sleep_1, NULL };

    set_up();
    crew_run(WORKERS, crew);
    loom_check(s.woken == 2 && loom_now() == s.begin + 2 * RN_MS);
}

static void set_late(void *arg)
{
    (void)arg;
    loom_check(rn__timer_start(&s.timer, s.begin + RN_MS) == 0);
    s.set++;
}

static void fired_yet(void *arg)
{
    (void)arg;
    sleep_2(NULL);
    loom_check(s.fired == s.set);
}

/* The workers sleep until the second millisecond when a plain thread sets a timer of the first. */
LOOM_UNIT(timer_thread, "a timer that a plain thread sets is not slept over")
{
    static rn_fn *const crew[] = { fired_yet, NULL };

    set_up();
    loom_spawn(set_late, NULL);
    crew_run(WORKERS, crew);
    rn__timer_stop(&s.timer);
    loom_check(s.woken == 1);
}
