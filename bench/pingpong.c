/* pingpong.c - a round trip over two unbuffered channels.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define ROUND_TRIPS 3000000
#define WARM_UP     10000

struct ends {
    int_chan in, out;
};

static void echo_fn(void *arg)
{
    struct ends *e = arg;
    int64_t v;

    while (rn_recv(e->in, &v) == 0)
        rn_send(e->out, v);
    rn_close(e->out);
}

static void go_and_return(int_chan a, int_chan b, int64_t n)
{
    for (int64_t i = 0, v = -1; i < n; i++) {
        rn_send(a, i);
        rn_recv(b, &v);
        bench_check(v == i, "pingpong: another value came back");
    }
}

static void pingpong(void)
{
    struct ends e = { bench_chan(0), bench_chan(0) };
    int64_t n = bench_count(ROUND_TRIPS), v;
    rn_time start;

    bench_go(echo_fn, &e, sizeof e);
    go_and_return(e.in, e.out, bench_count(WARM_UP));
    start = rn_now();
    go_and_return(e.in, e.out, n);
    bench_per_op("pingpong_unbuffered", start, n, "ns/roundtrip");
    rn_close(e.in);
    bench_check(rn_recv(e.out, &v) == RN_ECLOSED, "pingpong: a value too many");
    rn_chan_unref(e.in.chan);
    rn_chan_unref(e.out.chan);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, pingpong);
}
