/* waitgroup.c - rounds in which eight goroutines are started, and waited for.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define ROUNDS  100000
#define WORKERS 8

static struct {
    rn_chan *start[WORKERS]; /* of signals */
    rn_waitgroup round, all;
    int64_t rounds[WORKERS]; /* that each has seen */
} barrier;

static void worker_fn(void *arg)
{
    int i = *(int *)arg;

    while (rn_chan_recv(barrier.start[i], NULL, RN_FOREVER) == 0) {
        barrier.rounds[i]++;
        rn_waitgroup_done(&barrier.round);
    }
    rn_waitgroup_done(&barrier.all);
}

static void waitgroup(void)
{
    int64_t n = bench_count(ROUNDS);
    rn_time start;

    rn_waitgroup_add(&barrier.all, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        barrier.start[i] = rn_chan_new(0, 1, NULL);
        bench_go(worker_fn, &i, sizeof i);
    }
    start = rn_now();
    for (int64_t round = 0; round < n; round++) {
        rn_waitgroup_add(&barrier.round, WORKERS);
        for (int i = 0; i < WORKERS; i++)
            rn_chan_send(barrier.start[i], NULL, RN_FOREVER);
        rn_waitgroup_wait(&barrier.round, RN_FOREVER);
    }
    bench_per_op("waitgroup_barrier_8", start, n, "ns/round");
    for (int i = 0; i < WORKERS; i++)
        rn_chan_close(barrier.start[i]);
    rn_waitgroup_wait(&barrier.all, RN_FOREVER);
    for (int i = 0; i < WORKERS; i++) {
        bench_check(barrier.rounds[i] == n, "waitgroup: a worker missed a round");
        rn_chan_unref(barrier.start[i]);
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, waitgroup);
}
