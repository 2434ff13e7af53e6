/* deadlock.c - all goroutines fall asleep; who started it takes the time until it has exited.   SPDX-License-Identifier: MIT
 *
 * Prints when that was, on the clock of the wall, which other processes have as well. */
#include "bench/bench.h"

#include <time.h>

static void send_what_comes_fn(void *arg)
{
    int_chan *c = arg;
    int64_t v;

    rn_recv(*c, &v);
    rn_send(*c, v);
}

static void deadlock(void)
{
    int_chan c = bench_chan(0);
    struct timespec now;
    int64_t v;

    clock_gettime(CLOCK_REALTIME, &now);
    printf("deadlock_t0 %lld ns\n", (long long)now.tv_sec * RN_SEC + now.tv_nsec);
    fflush(stdout);
    bench_go(send_what_comes_fn, &c, sizeof c);
    rn_recv(c, &v);
    bench_check(0, "deadlock: something was received");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, deadlock);
}
