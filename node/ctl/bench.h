/* bench.h - what the files of `runnel bench` share.   SPDX-License-Identifier: MIT
 *
 * bench.c (the command line, the runs), bench_run.c (one run: broker and processes), bench_load.c (what producers and
 * consumers do); what has nothing to do with channels is in node/ctl/measure. */
#ifndef NODE_CTL_BENCH_H
#define NODE_CTL_BENCH_H

#include "node/ctl/common.h"
#include "node/ctl/measure/trial.h"

enum bench_kind {
    BENCH_THROUGHPUT,
    BENCH_LATENCY,
    BENCH_FANIN,
    BENCH_CHANNELS,
    BENCH_CONNECTIONS,
    BENCH_SLOW,
    BENCH_KINDS,
};

struct bench_opts {
    const struct ctl_opts *ctl;
    bool own_broker; /* start one; else the one at ctl->broker */
    enum bench_kind kind;
    int64_t size;
    int64_t capacity; /* as rn_bind_opts; 0: not stated */
    int producers, consumers, channels, connections, runs, rate;
    double seconds;
    bool confirm, manual_ack, load, curve, json;
};

/* Does that kind send pings, one at a time? */
static inline bool bench_pings(const struct bench_opts *o)
{
    return o->kind == BENCH_LATENCY || o->kind == BENCH_CONNECTIONS;
}

/* One run, whose figures are added.  CTL_OK; or CTL_FAILED, and it has been said why. */
int bench_run(const struct bench_opts *o, int run, struct figures *figures, int64_t *capacity);

/* What a process of a run does.  Its goroutine i has the line first_line + i of its side; those of a consumer are one per
 * channel, and of a producer one that sends into all channels in turn. */
struct bench_load {
    const struct bench_opts *opts;
    struct board *board;
    struct ctl_opts ctl; /* with the URL of the broker of this run */
    char prefix[64];     /* of the channels' names */
    int first_line, n;
    int channels;
    uint64_t first_stream,
        producers;  /* in channel k, producer p is stream first_stream + k * producers + p */
    bool own_nodes; /* a connection for each goroutine */
    bool stamped, slow;
};

int bench_produce(void *load);
int bench_consume(void *load);
int bench_ping(void *load);    /* producer line first_line */
int bench_echo(void *load);    /* consumer line first_line */
int bench_connect(void *load); /* opens n nodes, and does nothing; `others` line first_line */

#endif
