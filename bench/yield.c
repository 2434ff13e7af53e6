/* yield.c - two goroutines that let each other run.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define YIELDS 5000000
#define ALL    2

static void yield_fn(void *arg)
{
    int64_t n = bench_count(YIELDS);

    for (int64_t i = 0; i < n; i++)
        rn_yield();
    rn_waitgroup_done(arg);
}

static void yield(void)
{
    rn_waitgroup w = { 0 };
    rn_time start = rn_now();

    rn_waitgroup_add(&w, ALL);
    for (int i = 0; i < ALL; i++)
        bench_go(yield_fn, &w, 0);
    rn_waitgroup_wait(&w, RN_FOREVER);
    bench_per_op("gosched", start, bench_count(YIELDS) * ALL, "ns/yield");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, yield);
}
