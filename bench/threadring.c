/* threadring.c - a number that is handed around a ring of 503 goroutines.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define SIZE 503
#define HOPS 2000000

struct node {
    int64_t id;
    int_chan in, out, done;
};

static void node_fn(void *arg)
{
    struct node *n = arg;
    int64_t v = 0;

    for (;;) {
        rn_recv(n->in, &v);
        if (v == 0)
            break;
        rn_send(n->out, v - 1);
    }
    rn_send(n->done, n->id);
}

static void threadring(void)
{
    int_chan first = bench_chan(0), in = first, done = bench_chan(0);
    int64_t hops = bench_count(HOPS), last = 0;
    rn_time start;

    for (int id = 1; id <= SIZE; id++) {
        struct node n = { id, in, id < SIZE ? bench_chan(0) : first, done };

        bench_go(node_fn, &n, sizeof n);
        in = n.out;
    }
    start = rn_now();
    rn_send(first, hops);
    rn_recv(done, &last);
    bench_per_op("threadring503", start, hops, "ns/hop");
    bench_check(last == hops % SIZE + 1, "threadring: it ended elsewhere");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, threadring);
}
