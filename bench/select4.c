/* select4.c - a select over four unbuffered channels, each with a sender.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define ELEMENTS 2000000
#define CHANNELS 4

static void produce_fn(void *arg)
{
    int_chan *c = arg;
    int64_t n = bench_count(ELEMENTS / CHANNELS);

    for (int64_t i = 0; i < n; i++)
        rn_send(*c, 1);
}

static void select4(void)
{
    int64_t n = bench_count(ELEMENTS / CHANNELS) * CHANNELS, sum = 0, v = 0;
    rn_case cases[CHANNELS];
    rn_time start;

    for (int i = 0; i < CHANNELS; i++) {
        int_chan c = bench_chan(0);

        cases[i] = (rn_case)rn_on_recv(c, &v);
        bench_go(produce_fn, &c, sizeof c);
    }
    start = rn_now();
    for (int64_t i = 0; i < n; i++) {
        rn_select(cases, CHANNELS, RN_FOREVER);
        sum += v;
        v = 0;
    }
    bench_per_op("select4", start, n, "ns/msg");
    bench_check(sum == n, "select4: elements lost");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, select4);
}
