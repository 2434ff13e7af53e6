/* world.h - a broker and some nodes in one process, on a network that misbehaves, all from one seed.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "proto/link/memlink.h"
#include "tests/sim/oracle.h"

#define SIM_NODES_MAX    5
#define SIM_CHANNELS_MAX 4

/* What a run is like: chosen by its seed, each trait on or off by chance (a swarm), so that no fault hides another. */
struct sim_config {
    uint64_t seed;
    int nodes, channels;
    int64_t delay_max_ns;
    int64_t lease_ns;
    bool breaks; /* connections are cut and come back within the lease */
    bool
        long_cuts; /* partitions and freezes, of the broker too, that may outlast the lease: sessions end */
    bool crashes;        /* nodes die without a word and come back as new ones */
    bool deadlines;      /* operations give up now and then */
    bool selects;        /* operations go through rn_select */
    bool shared_handles; /* several goroutines receive on one handle */
    bool confirm;        /* sends wait for the verdict */
    bool early_close;    /* a sender closes while others still send */
    bool rebinds;        /* senders and receivers unbind in the middle of a stream and bind again */
    struct {
        int64_t capacity;
        uint64_t capacity_bytes;
        uint32_t prefetch;
        int senders, receivers;
        uint32_t elements; /* per sender */
        uint32_t element_max;
        int64_t think_ns; /* a receiver's pause between elements, at most */
    } channel[SIM_CHANNELS_MAX];
};

struct sim_node {
    char name[16];
    rn_node *node; /* NULL while it is dead */
    unsigned generation;
};

struct world {
    struct sim_config config;
    uint64_t rng;
    struct memnet *net;
    struct shard *shard;
    rn_chan *shard_done;
    struct sim_node nodes[SIM_NODES_MAX + 1]; /* the last is the keeper: no fault touches it */
    struct oracle *oracle;
    bool finishing; /* no more faults */
    int senders_left[SIM_CHANNELS_MAX];
    size_t receivers[SIM_CHANNELS_MAX]; /* goroutines that receive: what may be in hand */
    int next_sender;
    uint64_t faults[4]; /* breaks, partitions, freezes, crashes */
};

uint64_t sim_random(struct world *w);
/* 0 .. n-1 */
uint64_t sim_below(struct world *w, uint64_t n);
bool sim_chance(struct world *w, unsigned percent);

void sim_configure(struct sim_config *c, uint64_t seed);
void sim_describe(const struct sim_config *c);

void world_open(struct world *w, const struct sim_config *c);
void world_close(struct world *w);

/* Waits until node i lives and gives it, with its generation. */
rn_node *world_node(struct world *w, int i, unsigned *generation);

/* A goroutine that injects faults until w->finishing. */
void world_faults(void *world);

/* The program of the run: senders, receivers, closers.  Returns when all have ended. */
void program_run(struct world *w);

#endif
