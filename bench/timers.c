/* timers.c - 100,000 goroutines that sleep up to a second: how late they wake.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define SLEEPERS 100000

static struct {
    int64_t *want, *late; /* ns, of each */
    rn_waitgroup all;
} sleepers;

static void sleep_fn(void *arg)
{
    int64_t i = *(int64_t *)arg;
    rn_time start = rn_now();

    rn_sleep(start + sleepers.want[i]);
    sleepers.late[i] = rn_now() - start - sleepers.want[i];
    rn_waitgroup_done(&sleepers.all);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void timers(void)
{
    int64_t n = bench_count(SLEEPERS);
    unsigned short seed[3] = { 42 };
    rn_time start;

    sleepers.want = calloc((size_t)n, sizeof *sleepers.want);
    sleepers.late = calloc((size_t)n, sizeof *sleepers.late);
    bench_check(sleepers.want != NULL && sleepers.late != NULL, "timers: no memory");
    for (int64_t i = 0; i < n; i++)
        sleepers.want[i] = (int64_t)(erand48(seed) * (double)RN_SEC) / bench_divisor;
    rn_waitgroup_add(&sleepers.all, (int)n);
    start = rn_now();
    for (int64_t i = 0; i < n; i++)
        bench_go(sleep_fn, &i, sizeof i);
    rn_waitgroup_wait(&sleepers.all, RN_FOREVER);
    bench_report("sleep100k_wall", (double)(rn_now() - start) / 1e6, "ms");
    qsort(sleepers.late, (size_t)n, sizeof *sleepers.late, compare);
    bench_report("sleep100k_late_p50", (double)sleepers.late[n / 2] / 1e3, "us");
    bench_report("sleep100k_late_p99", (double)sleepers.late[n * 99 / 100] / 1e3, "us");
    bench_report("sleep100k_late_max", (double)sleepers.late[n - 1] / 1e3, "us");
    bench_check(sleepers.late[0] >= 0, "timers: one woke too early");
    free(sleepers.want);
    free(sleepers.late);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, timers);
}
