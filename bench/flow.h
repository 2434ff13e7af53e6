/* flow.h - elements that flow from producers to consumers over one channel.   SPDX-License-Identifier: MIT */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "bench/bench.h"

#include <stdalign.h>

#define FLOW_ENDS_MAX 8

struct flow {
    int_chan chan;
    int64_t each; /* so many elements of each producer */
    rn_waitgroup producers, consumers;
    struct flow_end {
        struct flow *flow;
        alignas(64) int64_t sum; /* what this consumer received; on a cache line of its own */
    } ends[FLOW_ENDS_MAX];
};

static inline void flow_produce_fn(void *arg)
{
    struct flow *f = arg;

    for (int64_t i = 0; i < f->each; i++)
        rn_send(f->chan, 1);
    rn_waitgroup_done(&f->producers);
}

static inline void flow_consume_fn(void *arg)
{
    struct flow_end *e = arg;
    int64_t sum = 0, v;

    while (rn_recv(e->flow->chan, &v) == 0)
        sum += v;
    e->sum = sum;
    rn_waitgroup_done(&e->flow->consumers);
}

/* n elements through a buffer of cap, from so many producers to so many consumers. */
static inline void flow_run(const char *name, int64_t n, int producers, int consumers, size_t cap)
{
    struct flow f = { .chan = bench_chan(cap), .each = bench_count(n) / producers };
    rn_time start = rn_now();
    int64_t sum = 0;

    rn_waitgroup_add(&f.consumers, consumers);
    rn_waitgroup_add(&f.producers, producers);
    for (int i = 0; i < consumers; i++) {
        f.ends[i].flow = &f;
        bench_go(flow_consume_fn, &f.ends[i], 0);
    }
    for (int i = 0; i < producers; i++)
        bench_go(flow_produce_fn, &f, 0);
    rn_waitgroup_wait(&f.producers, RN_FOREVER);
    rn_close(f.chan);
    rn_waitgroup_wait(&f.consumers, RN_FOREVER);
    bench_per_op(name, start, f.each * producers, "ns/msg");
    for (int i = 0; i < consumers; i++)
        sum += f.ends[i].sum;
    bench_check(sum == f.each * producers, "flow: elements lost");
    rn_chan_unref(f.chan.chan);
}

#endif /* BENCH_FLOW_H */
