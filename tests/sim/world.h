/* world.h - a broker and some nodes in one process, on a network that misbehaves, all from one seed.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "broker/core/core.h"
#include "broker/shard.h"
#include "node/node.h"
#include "proto/link/memlink.h"
#include "tests/sim/listeners.h"
#include "tests/sim/oracle.h"

#define SIM_NODES_MAX    5
#define SIM_CHANNELS_MAX 4

enum sim_fault {
    FAULT_BREAK,      /* a connection loses what is under way, and is told so or not */
    FAULT_LOSS,       /* a frame is lost, and the connection goes on */
    FAULT_ONE_WAY,    /* nothing arrives in one direction */
    FAULT_PARTITION,  /* in neither */
    FAULT_FREEZE,     /* a node's link stands still */
    FAULT_SLEEP,      /* the broker's does */
    FAULT_CRASH,      /* a node dies without a word */
    FAULT_LEAVE,      /* it is closed, in whatever time that is given */
    FAULT_HOME_LOST,  /* the broker does */
    FAULT_CLOCK_JUMP, /* CLOCK_BOOTTIME jumps, as after a suspend */
    FAULT_CANCEL,     /* a receiver fails the channel */
    FAULT_FAIL,       /* a sender does */
    FAULT_REFUSAL,    /* a receiver's codec does not take an element */
    FAULT_LATE,       /* a sender or receiver comes late */
    FAULT_NACK,       /* a receiver wants an element again, later or at once */
    FAULT_STALE,      /* a verdict comes too late */
    FAULT_REJECT,     /* a receiver rejects an element */
    FAULT_DEATH,      /* one goes to the dead letters */
    FAULT_LOST,       /* a receiver of a fanout loses an element, because it is slow */
    FAULT_CUT,        /* one is cut off */
    FAULT_PEEK,       /* somebody looks at a page of what is in a channel */
    FAULT_TAP,        /* ... or of what passes */
    FAULT_PURGE,      /* ... or drops what is in it */
    FAULT_KINDS
};
extern const char *const sim_fault_names[FAULT_KINDS];

/* What a run is like: chosen by its seed, each trait on or off by chance (a swarm), so that no fault hides another. */
struct sim_config {
    uint64_t seed;
    bool
        local; /* the same program on local channels: no broker, nodes or network, and no faults of theirs */
    int nodes, channels;
    int64_t delay_max_ns;
    int64_t lease_ns;

    /* faults */
    bool breaks; /* connections are cut and come back within the lease */
    bool
        long_cuts; /* partitions and freezes, of the broker too, that may outlast the lease: sessions end */
    bool crashes;    /* nodes die without a word and come back as new ones */
    bool leaves;     /* nodes are closed, and others take their place */
    bool homes_lost; /* so does the broker, with all its channels */
    bool jumps;      /* the clock jumps */
    bool
        again; /* what a break has lost may come on the next connection, as well as what is sent again */
    bool storm; /* faults come together */

    /* the program */
    bool deadlines;      /* operations give up now and then */
    bool impatient;      /* ... and no send waits for ever */
    bool selects;        /* operations go through rn_select */
    bool shared_handles; /* several goroutines receive on one handle */
    bool shared_senders; /* several goroutines send on one handle */
    bool confirm;        /* sends wait for the verdict */
    bool early_close;    /* a sender closes while others still send */
    bool fails;          /* ... and fails the channel */
    bool cancels;        /* a receiver fails the channel */
    bool refusals;       /* a receiver's codec does not take an element now and then */
    bool rebinds;        /* senders and receivers unbind in the middle of a stream and bind again */
    bool late;           /* senders and receivers come late */
    bool receivers_first;    /* receivers state nothing, and are there before the first sender */
    bool autoclose;          /* a channel closes when its senders have gone */
    bool only_some;          /* ... those of them that ask for it, which are not all */
    bool senders_min;        /* ... and as many as the run begins with have gone in order */
    bool by_hand;            /* receivers acknowledge by hand */
    bool browses;            /* somebody peeks into channels and taps them */
    bool purges;             /* ... and purges them */
    uint32_t max_deliveries; /* 0: the default */
    bool headers;            /* elements carry trace contexts, but for every third */
    bool timed;              /* elements expire */
    bool delays;             /* ... and are to be had later */
    bool calls;              /* there is a service, too, and those who call it */
    bool structs; /* small elements are all of one size, and structs to some of the ends */
    uint32_t
        piece; /* bytes of one: elements of more than four cross in pieces; 0: only the largest do */
    int64_t fold_ns; /* a channel that was at rest for so long is folded; 0: the broker's own */

    struct {
        int64_t capacity;
        uint64_t capacity_bytes;
        uint32_t prefetch;
        int senders, receivers;
        uint32_t elements; /* per sender */
        uint32_t element_max;
        int64_t think_ns;  /* a receiver's pause between elements, at most */
        int64_t ttl_ns;    /* 0: none */
        enum rn_slow slow; /* RN_SLOW_ANY: it is a queue, else a fanout */
    } channel[SIM_CHANNELS_MAX];
};

/* Ways in which frames do not pass between a node and the broker. */
enum sim_cut {
    CUT_TO,     /* none arrive at the node */
    CUT_FROM,   /* none arrive from it */
    CUT_FROZEN, /* its link stands still */
    CUT_KINDS
};

struct sim_node {
    char name[16];
    rn_node *node;             /* NULL while it is dead */
    unsigned life;             /* how many there have been */
    bool ending;               /* it is not dead yet, and may stand still */
    int64_t cut_ns[CUT_KINDS]; /* rn__boottime() when that began; 0: it is not so */
    int64_t seen_ns,
        frozen_ns;   /* rn_now() of the last account; how long it was frozen until then */
    int64_t deaf_ns; /* ... and how long it heard nothing, or late */
};

struct world {
    struct sim_config config;
    uint64_t rng;
    struct oracle *oracle;
    struct listeners *listeners; /* of fanouts */

    rn_chan *local[SIM_CHANNELS_MAX]; /* the channels, if they are local ones */
    rn_codec codec;                   /* of those that receive */
    struct memnet *net;
    struct shard *shard; /* NULL while the broker is dead */
    rn_chan *shard_done;
    struct sim_node nodes[SIM_NODES_MAX + 1]; /* the last is the keeper: few faults touch it */

    int64_t asleep_ns;  /* as cut_ns, of the broker */
    int64_t slept_ns;   /* how long it was so before */
    int64_t jumped_ns;  /* of the clock, in all */
    int64_t one_way_ns; /* how long nodes were cut off in one direction, as of their last account */
    bool finishing;     /* no more faults */
    int senders_left[SIM_CHANNELS_MAX], receivers_left[SIM_CHANNELS_MAX]; /* goroutines */
    int next_sender;
    int callers_left;
    uint64_t calls_answered;
    uint64_t faults[FAULT_KINDS];
};

uint64_t sim_random(struct world *w);
/* 0 .. n-1 */
uint64_t sim_below(struct world *w, uint64_t n);
bool sim_chance(struct world *w, unsigned percent);
int64_t sim_time(struct world *w, int64_t most_ns); /* 0 .. most_ns */

void sim_configure(struct sim_config *c, uint64_t seed, bool local);
void sim_describe(const struct sim_config *c);

/* Do sessions end in such a run?  (In others one may, after many short faults in a row.) */
bool sim_sessions_end(const struct sim_config *c);
/* May one? */
bool sim_may_die(const struct sim_config *c);

void world_open(struct world *w, const struct sim_config *c);
void world_close(struct world *w);

/* A node that is dead or a broker that is dead comes to life. */
void world_node_start(struct world *w, struct sim_node *n);
void world_broker_start(struct world *w);

/* Waits until node i lives and gives it. */
rn_node *world_node(struct world *w, int i);

/* Sessions end because of faults, not because one side finds the other breaking the protocol: fails if that was the last
 * that node i was told. */
void world_check_refusal(struct world *w, int i);

/* ---- cut.c: what was cut off, and what follows for operations ---- */
void cut_set(struct world *w, struct sim_node *n, enum sim_cut cut, bool on);
void cut_set_asleep(struct world *w, bool on);

/* An operation on that node, which began at begun_ns, waited for, and returned; see cut_check(). */
struct cut_watch {
    int node;
    rn_time deadline, begun;
    int64_t begun_ns; /* rn__boottime() */
    int64_t excuse_ns;
    bool down;                  /* it had no connection, and could get none */
    unsigned life, connections; /* of its node */
};
struct cut_watch cut_watch(struct world *w, int node, rn_time deadline);

/* Fails if
 *   - it took an element or used credit (leased: not by an answer of the home, which may have been long on its way) in the
 *     last quarter of a lease: nothing of what a node sends after it was cut off is
 *     acknowledged, so its lease is counted from before that;
 *   - a send is in doubt, though its element cannot have left;
 *   - it had a deadline, and returned much later: an answer that does not come is waited for a second, of the home or by the
 *     home, unless what should give up is frozen, or hears and is not heard. */
void cut_check(struct world *w, const struct cut_watch *watch, enum rn_op op, bool leased, int rc);

/* How much later than its time an element may be received there: a node knows the home's clock by the fastest that has come to
 * it, and nothing may have come fast. */
int64_t cut_slack(struct world *w, int node);

/* ---- faults.c ---- */
/* A goroutine that injects faults until w->finishing; there may be several. */
void faults_run(struct world *w);

/* ---- calls.c ---- */
/* Starts those who call, and those who answer until the others have ended; if there are any in this run. */
void calls_start(struct world *w, rn_group *g);
/* All have ended, and nothing goes wrong any more: fails unless soon nothing of them is left at the home. */
void calls_check_gone(struct world *w);

/* ---- program.c ---- */
/* The program of the run: senders, receivers, closers.  Returns when all have ended. */
void program_run(struct world *w);

#endif
