/* mutex.c - a counter that eight goroutines count up under one lock; and one alone.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define GOROUTINES 8
#define TIMES      1000000
#define ALONE      20000000

static struct {
    rn_mutex lock;
    int64_t n; /* guarded by lock */
    rn_waitgroup all;
} counter;

static void count(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        rn_mutex_lock(&counter.lock);
        counter.n++;
        rn_mutex_unlock(&counter.lock);
    }
}

static void count_fn(void *arg)
{
    (void)arg;
    count(bench_count(TIMES));
    rn_waitgroup_done(&counter.all);
}

static void mutex(void)
{
    int64_t n = GOROUTINES * bench_count(TIMES), alone = bench_count(ALONE);
    rn_time start = rn_now();

    rn_waitgroup_add(&counter.all, GOROUTINES);
    for (int i = 0; i < GOROUTINES; i++)
        bench_go(count_fn, NULL, 0);
    rn_waitgroup_wait(&counter.all, RN_FOREVER);
    bench_per_op("mutex_contended_8x1M", start, n, "ns/op");
    start = rn_now();
    count(alone);
    bench_per_op("mutex_uncontended", start, alone, "ns/op");
    bench_check(counter.n == n + alone, "mutex: an update was lost");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, mutex);
}
