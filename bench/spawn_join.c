/* spawn_join.c - goroutines that are started in batches, and end at once.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define GOROUTINES 1000000

static void done_fn(void *arg)
{
    rn_waitgroup_done(arg);
}

static void batches(int64_t total, int64_t batch)
{
    rn_waitgroup w = { 0 };

    for (int64_t done = 0; done < total; done += batch) {
        rn_waitgroup_add(&w, (int)batch);
        for (int64_t i = 0; i < batch; i++)
            bench_go(done_fn, &w, 0);
        bench_check(rn_waitgroup_wait(&w, RN_FOREVER) == 0, "spawn_join: the wait failed");
    }
}

static void measure(const char *name, int64_t batch)
{
    int64_t n = bench_count(GOROUTINES) / batch * batch;
    rn_stats before, after;
    rn_time start;

    batches(batch, batch); /* so that there are stacks, as in a server */
    rn_stats_read(&before);
    start = rn_now();
    batches(n, batch);
    bench_per_op(name, start, n, "ns/goroutine");
    rn_stats_read(&after);
    bench_check(after.created - before.created == (uint64_t)n,
                "spawn_join: another number of them");
}

static void spawn_join(void)
{
    measure("spawn_join_b1000", bench_count(1000));
    measure("spawn_join_b100k", bench_count(100000));
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, spawn_join);
}
