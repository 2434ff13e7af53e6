/* channels.c - what goroutines and channels cost: "name value unit", one a line.   SPDX-License-Identifier: MIT
 *
 *   channels [WORKERS [ROUNDS]]     ROUNDS of each, the best counts: a machine's noise only ever adds */
#include "runtime/rn.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGES 500000
#define BATCH    1000
#define CHANNELS 4

typedef rn_chan_of(int) int_chan;

struct ends {
    int_chan in, out;
    int n;
};

static void produce_fn(void *arg)
{
    struct ends *e = arg;

    for (int i = 0; i < e->n; i++)
        rn_send(e->out, i);
}

static void echo_fn(void *arg)
{
    struct ends *e = arg;

    for (int i = 0, v; i < e->n; i++) {
        rn_recv(e->in, &v);
        rn_send(e->out, v);
    }
}

static void nothing_fn(void *arg)
{
    (void)arg;
}

static void pingpong(rn_group *g, int_chan *c)
{
    struct ends e = { c[0], c[1], MESSAGES };

    rn_group_go(g, echo_fn, &e, sizeof e);
    for (int i = 0, v; i < MESSAGES; i++) {
        rn_send(c[0], i);
        rn_recv(c[1], &v);
    }
}

static void stream(rn_group *g, int_chan *c)
{
    struct ends e = { .out = c[0], .n = MESSAGES };

    rn_group_go(g, produce_fn, &e, sizeof e);
    for (int i = 0, v; i < MESSAGES; i++)
        rn_recv(c[0], &v);
}

static void spawn(rn_group *g, int_chan *c)
{
    (void)c;
    for (int i = 0; i < MESSAGES; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            rn_group_go(g, nothing_fn, NULL, 0);
        rn_group_wait(g, RN_FOREVER);
    }
}

static void select_of(rn_group *g, int_chan *c)
{
    int v;
    rn_case cases[CHANNELS];

    for (int i = 0; i < CHANNELS; i++) {
        struct ends e = { .out = c[i], .n = MESSAGES / CHANNELS };

        cases[i] = (rn_case)rn_on_recv(c[i], &v);
        rn_group_go(g, produce_fn, &e, sizeof e);
    }
    for (int i = 0; i < MESSAGES; i++)
        rn_select(cases, CHANNELS, RN_FOREVER);
}

static const struct benchmark {
    const char *name;
    void (*fn)(rn_group *g, int_chan *c);
    size_t cap; /* of its channels */
} benchmarks[] = {
    { "pingpong", pingpong, 0 }, { "stream_unbuffered", stream, 0 }, { "stream_128", stream, 128 },
    { "spawn_1000", spawn, 0 },  { "select_4", select_of, 0 },
};

static double once(const struct benchmark *b)
{
    rn_group *g = rn_group_new();
    int_chan c[CHANNELS];
    rn_time start;

    for (int i = 0; i < CHANNELS; i++)
        rn_make(&c[i], b->cap);
    start = rn_now();
    b->fn(g, c);
    rn_group_wait(g, RN_FOREVER);
    start = rn_now() - start;
    rn_group_free(g);
    for (int i = 0; i < CHANNELS; i++)
        rn_chan_unref(c[i].chan);
    return (double)start / MESSAGES;
}

static int run(void *arg)
{
    for (int i = 0; i < RN_LEN(benchmarks); i++) {
        double best = 1e9;

        for (int round = 0; round < *(int *)arg; round++) {
            double ns = once(&benchmarks[i]);

            best = ns < best ? ns : best;
        }
        printf("%s %.1f ns\n", benchmarks[i].name, best);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 5;

    return rn_main(argc > 1 ? atoi(argv[1]) : 0, run, &rounds);
}
