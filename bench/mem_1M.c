/* mem_1M.c - a million goroutines that wait: their memory, and the time to start, wake and end them.  Twice: the second
 * time their memory is there.
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <unistd.h>

#define GOROUTINES 1000000

static struct {
    rn_chan *gate; /* of signals; closed when all may go */
    rn_waitgroup up, down;
} crowd;

static void wait_fn(void *arg)
{
    (void)arg;
    rn_waitgroup_done(&crowd.up);
    rn_chan_recv(crowd.gate, NULL, RN_FOREVER);
    rn_waitgroup_done(&crowd.down);
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, pages = 0;

    bench_check(f != NULL && fscanf(f, "%ld %ld", &size, &pages) == 2,
                "mem_1M: no /proc/self/statm");
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void gather(const char *create)
{
    int64_t n = bench_count(GOROUTINES);
    rn_time start = rn_now();

    crowd.gate = rn_chan_new(0, 0, NULL);
    rn_waitgroup_add(&crowd.up, (int)n);
    rn_waitgroup_add(&crowd.down, (int)n);
    for (int64_t i = 0; i < n; i++)
        bench_go(wait_fn, NULL, 0);
    rn_waitgroup_wait(&crowd.up, RN_FOREVER);
    bench_report(create, (double)(rn_now() - start) / 1e9, "s");
    rn_sleep(rn_after(200 * RN_MS / bench_divisor)); /* until the last of them waits */
}

static void disperse(void)
{
    rn_chan_close(crowd.gate);
    rn_waitgroup_wait(&crowd.down, RN_FOREVER);
    rn_chan_unref(crowd.gate);
}

static void mem_1M(void)
{
    double before = resident_bytes();
    rn_time start;

    gather("mem_1M_create_cold");
    disperse();
    gather("mem_1M_create");
    bench_report("mem_1M_rss", (resident_bytes() - before) / (double)bench_count(GOROUTINES),
                 "bytes/goroutine");
    start = rn_now();
    disperse();
    bench_report("mem_1M_wake_exit", (double)(rn_now() - start) / 1e9, "s");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, mem_1M);
}
