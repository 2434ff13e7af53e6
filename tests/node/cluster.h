/* cluster.h - a broker and nodes in one simulated process, and elements whose fate is known.
 *   SPDX-License-Identifier: MIT
 *
 * For facts that are tried again and again: under several seeds, or with a fault at each frame.  Checks end the process,
 * because they are made in goroutines; what they say names the seed, the round and the command that replays them.
 *
 * A *thing* is an element of a given size with a number.  The codec counts what becomes of it: who sends it hands it over
 * (dropped) or keeps it, and it comes out of receives so and so often. */
#ifndef TESTS_NODE_CLUSTER_H
#define TESTS_NODE_CLUSTER_H

#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "proto/link/memlink.h"

#include <stdbool.h>
#include <stdint.h>

#define LEASE (2 * RN_SEC)
#define SOON  rn_after(60 * RN_SEC)

/* ---- what is checked ---- */

_Noreturn void fact_failed(const char *file, int line, const char *what, const char *got);
#define check(condition)                                             \
    do {                                                             \
        if (!(condition))                                            \
            fact_failed(__FILE__, __LINE__, #condition, "is false"); \
    } while (0)
#define check_rc(got, expected)                                                            \
    do {                                                                                   \
        int got_ = (got);                                                                  \
        if (got_ != (expected))                                                            \
            fact_failed(__FILE__, __LINE__, #got " is not " #expected, rn_strerror(got_)); \
    } while (0)

/* ---- facts ---- */

struct fact {
    const char *name;
    int (*in_sim)(void *arg);
    uint64_t rounds; /* of each seed; 0: until cluster_last_round() */
    int seeds;
};
extern uint64_t seed_now, round_now; /* rounds begin at 0 */
/* The rounds of this seed end with this one. */
void cluster_last_round(void);
/* Runs the facts: all of them, or with arguments NAME [SEED [ROUND]] one; with NAME FROM..TO all rounds of those seeds, of
 * each fact if NAME is "all".  Gives the exit status. */
int facts_main(int argc, char **argv, const struct fact *facts, int n);

/* ---- the world ---- */

extern struct memnet *net;
extern struct shard *shard;

void cluster_open(int64_t delay_min_ns, int64_t delay_max_ns);
/* The net alone, without a broker; memnet_free() it. */
void cluster_net(int64_t delay_min_ns, int64_t delay_max_ns);
/* Stops the broker; all nodes must have ended. */
void cluster_close(void);
rn_node *node_open(const char *name); /* with LEASE */
void node_close(rn_node *node);       /* leaves nothing behind */

/* With two nodes, "a" and "b", at a distance of 20 to 500 us. */
void cluster_open_two(rn_node **a, rn_node **b);
void cluster_close_two(rn_node *a, rn_node *b);

/* Nothing passes between the node and the broker, in either direction. */
void cable(const char *name, bool out);
/* What the broker says of a channel; all zero: there is none. */
struct wire_channel_info channel_info(rn_node *by, const char *name);

/* ---- things ---- */

struct thing {
    uint32_t id, size;
};
struct fate {
    int handed_over; /* dropped on its sender's stack */
    int came;        /* decoded by receives */
    int discarded;   /* decoded and dropped again, because the receive failed after all */
};
extern const rn_codec thing_codec;

void things_forget(void);
struct thing thing_new(uint32_t size); /* at least 4 bytes; numbers are 1, 2, 3 ... */
struct fate *thing_fate(uint32_t id);
uint32_t things_made(void);

rn_chan *bound(rn_node *node, const char *name, enum rn_dir dir, const rn_bind_opts *opts);
/* Sends a new thing of 8 bytes; checks that it was handed over exactly when it should have been. */
int send_thing(rn_chan *c, rn_time deadline);
/* The result, or the thing's number. */
int receive_thing(rn_chan *c, rn_time deadline);

#endif
