/* timer_ops.c - timers that are started and stopped, and none fires.   SPDX-License-Identifier: MIT
 *
 * A reset stops a timer that is pending and starts it again; here rn_timer_stop frees it, so there is no stop without a new
 * one, and timer_reset_stop is a reset alone. */
#include "bench/bench.h"

#define TIMES   3000000
#define PENDING 100000
#define HOUR    (3600 * RN_SEC)

static void never_fn(void *arg)
{
    (void)arg;
    bench_check(0, "timer_ops: a timer fired");
}

static rn_timer_fn *timer_new(int64_t ns)
{
    rn_timer_fn *t = rn_after_func(ns, never_fn, NULL);

    bench_check(t != NULL, "timer_ops: no memory");
    return t;
}

static void stop(rn_timer_fn *t)
{
    bench_check(rn_timer_stop(t) == 1, "timer_ops: it was not pending");
}

/* A timer that is set again and again, to one of so many times. */
static void reset(const char *name, int64_t n, int64_t times)
{
    rn_timer_fn *t = timer_new(HOUR);
    rn_time start = rn_now();

    for (int64_t i = 0; i < n; i++)
        bench_check(rn_timer_reset(t, HOUR + i % times * RN_MS) == 1,
                    "timer_ops: it was not pending");
    bench_per_op(name, start, n, "ns");
    stop(t);
}

static void timer_ops(void)
{
    int64_t n = bench_count(TIMES), pending = bench_count(PENDING);
    rn_timer_fn **others = calloc((size_t)pending, sizeof(*others));
    rn_time start = rn_now();

    for (int64_t i = 0; i < n; i++)
        stop(timer_new(HOUR));
    bench_per_op("timer_new_stop", start, n, "ns");
    reset("timer_reset_stop", n, 1);
    for (int64_t i = 0; i < pending; i++)
        others[i] = timer_new(HOUR + i * RN_MS);
    reset("timer_reset_stop_100k_pending", n, pending);
    for (int64_t i = 0; i < pending; i++)
        stop(others[i]);
    free(others);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, timer_ops);
}
