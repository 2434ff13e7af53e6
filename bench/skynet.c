/* skynet.c - a tree of goroutines, ten a node, that ends in a million leaves; twice.   SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#define LEAVES 1000000
#define SPREAD 10

struct sky {
    int_chan out;
    int64_t first, leaves;
};

static void sky_fn(void *arg);

/* Its channel is its own, too: when all is received, the last of the ten may still be in its send. */
static void sky_go(const struct sky *s)
{
    rn_chan_ref(s->out.chan);
    bench_go(sky_fn, s, sizeof *s);
}

static void sky_fn(void *arg)
{
    struct sky *s = arg;
    int64_t sum = s->first, v;

    if (s->leaves > 1) {
        struct sky part = { bench_chan(0), s->first, s->leaves / SPREAD };

        for (int i = 0; i < SPREAD; i++, part.first += part.leaves)
            sky_go(&part);
        sum = 0;
        for (int i = 0; i < SPREAD; i++) {
            rn_recv(part.out, &v);
            sum += v;
        }
        rn_chan_unref(part.out.chan);
    }
    rn_send(s->out, sum);
    rn_chan_unref(s->out.chan);
}

static void measure(const char *name)
{
    int64_t n = bench_count(LEAVES), sum = 0;
    struct sky root = { bench_chan(0), 0, n };
    rn_time start = rn_now();

    sky_go(&root);
    rn_recv(root.out, &sum);
    bench_report(name, (double)(rn_now() - start) / 1e6, "ms");
    bench_check(sum == n * (n - 1) / 2, "skynet: wrong sum");
    rn_chan_unref(root.out.chan);
}

static void skynet(void)
{
    measure("skynet_1M_cold");
    measure("skynet_1M_warm");
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, skynet);
}
