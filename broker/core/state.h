/* state.h - a core and its sessions, as the files of this room see them.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_STATE_H
#define BROKER_CORE_STATE_H

#include "broker/core/channel.h"
#include "broker/core/core.h"
#include "proto/keyed.h"

#define CORE_WEAK_NS  INT64_C(100000000) /* how long a weak ask is good */
#define CORE_DOUBT_NS INT64_C(20000000)  /* after this what looks used is asked for again */
#define CORE_ACTIVE_NS \
    INT64_C(250000000) /* a sender that used no credit for so long is not lent more unasked */

struct core {
    struct core_opts opts;
    uint64_t seed;              /* of its tables */
    uint64_t whole_max;         /* bytes of an element that is not delivered in pieces */
    int64_t now_ns;             /* the latest time that was given */
    struct keyed channels;      /* by the hash of their names; see fold.h */
    uint64_t n_folds;           /* of them: folded */
    struct hook calm, restless; /* those that are not, and may be; see fold.c */
    struct hook sessions;
    struct hook ending; /* those that are over, but for bindings that there was no memory to open */
    struct hook dirty;  /* channels to be settled */
    struct hook later;  /* ... once more, when sessions have been pulled from */
    uint64_t round;     /* flushes */
    struct hook speakers;       /* bindings with something to say */
    struct hook telling;        /* taps that have something to say */
    uint32_t n_taps;            /* that have ever begun */
    struct hook eager;          /* sessions to be told that they are ready */
    struct due_heap dues;       /* what falls due */
    struct hook idle, doubtful; /* channels, and ... */
    struct hook
        weak_due; /* ... bindings, each by their time, which is a constant ahead: so in order */
    int64_t
        starved_at; /* ns; a pull found no memory and is to be asked for again; INT64_MAX: none */
    struct ledger totals; /* of channels that were forgotten */
    uint64_t n_forgotten;
};

struct core_session {
    struct core *core;
    void *owner;
    char *node;           /* our memory */
    uint8_t instance[16]; /* of its process */
    int64_t heard_ns;     /* when it was heard last */
    struct hook mute;     /* bindings that are passed over until it is heard again */
    struct hook of_core;  /* in core->sessions, or in core->ending */
    bool over;            /* its bindings part, as: */
    enum parting parting;
    struct hook eager;     /* in core->eager */
    struct keyed bindings; /* by number; see fold.h */
    bool bereft;           /* a binding of it has gone that the node may not know of yet */
    uint32_t last_bind;    /* the largest number that was used; numbers only grow */
    struct hook taps;
    struct hook turn;  /* bindings with something to be pulled, in turn; but ... */
    struct hook heavy; /* ... those passed over, whose next section is a piece */
};

/* To be called while ch is settled: it is to be settled once more, when sessions have been pulled from. */
void core_again(struct channel *ch);

#endif
