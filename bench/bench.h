/* bench.h - what the measurements share: counts, results, checks.   SPDX-License-Identifier: MIT
 *
 * Each measurement is a program, so that none inherits another one's stacks, memory or timers:
 *
 *   NAME [WORKERS [DIVISOR]]     prints "name value unit", one a line
 *
 * DIVISOR makes the counts smaller, so that a test can run it.  What a measurement computed is checked: if it is wrong, or a
 * call failed, the program says so and exits with 1. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <runnel/rn.h>
#include <runnel/sync.h>

#include <stdio.h>
#include <stdlib.h>

typedef rn_chan_of(int64_t) int_chan;

static int64_t bench_divisor = 1;

static inline int64_t bench_count(int64_t n)
{
    return n / bench_divisor > 0 ? n / bench_divisor : 1;
}

static inline void bench_check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline void bench_report(const char *name, double value, const char *unit)
{
    printf("%s %.2f %s\n", name, value, unit);
    fflush(stdout);
}

/* The time since start, for each of n. */
static inline void bench_per_op(const char *name, rn_time start, int64_t n, const char *unit)
{
    bench_report(name, (double)(rn_now() - start) / (double)n, unit);
}

static inline int_chan bench_chan(size_t cap)
{
    int_chan c;

    bench_check(rn_make(&c, cap) != NULL, "no memory for a channel");
    return c;
}

/* Starts fn with a copy of size bytes at arg. */
static inline void bench_go(rn_fn *fn, const void *arg, size_t size)
{
    int rc = rn_go_copy(fn, arg, size);

    bench_check(rc == 0, rn_strerror(rc));
}

static inline int bench_run(void *arg)
{
    (*(void (**)(void))arg)();
    return 0;
}

static inline int bench_main(int argc, char **argv, void (*fn)(void))
{
    bench_divisor = argc > 2 ? atoll(argv[2]) : 1;
    bench_check(bench_divisor > 0 && argc < 4, "usage: NAME [WORKERS [DIVISOR]]");
    return rn_main(argc > 1 ? atoi(argv[1]) : 0, bench_run, &fn);
}

#endif /* BENCH_BENCH_H */
