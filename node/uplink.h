/* uplink.h - a node's connection to its broker: when to dial, to probe, to give up.   SPDX-License-Identifier: MIT
 *
 * Pure: time comes in as an argument (ns, rn__boottime()), what to do comes out of uplink_step().  The owner
 * reports what happened, then steps until there is nothing left to do. */
#ifndef NODE_UPLINK_H
#define NODE_UPLINK_H

#include "proto/wire.h"

#include <stdbool.h>
#include <stdint.h>

enum uplink_state {
    UPLINK_RESTING,  /* no connection; the next attempt is at next_ns */
    UPLINK_GREETING, /* Hello is out; the attempt is given up at next_ns */
    UPLINK_UP,       /* welcomed */
};

enum uplink_action {
    UPLINK_NOTHING,
    UPLINK_DIAL,  /* connect to url number `url` and say Hello: to resume if `in_session` */
    UPLINK_DROP,  /* the connection is of no more use */
    UPLINK_PROBE, /* give a sign of life */
    UPLINK_OVER,  /* the lease has ended: everything of the session fails, drop the connection */
};

struct uplink_opts {
    int64_t lease_ns;              /* until a broker has said what it grants */
    unsigned urls;                 /* at least 1 */
    uint64_t (*random)(void *arg); /* jitter, so that a thousand nodes do not dial in step */
    void *random_arg;
};

struct uplink {
    struct uplink_opts opts;
    enum uplink_state state;
    bool in_session; /* there is a session whose lease has not ended */
    unsigned url;
    int64_t lease_ns;
    int64_t next_ns;
    int64_t pause_ns;     /* the next pause between attempts, before jitter */
    int64_t dialed_ns;    /* when the newest Hello was sent */
    int64_t up_ns;        /* when the newest Welcome came */
    int64_t probed_ns;    /* when the newest sign of life was given */
    int64_t due_ns;       /* when the next one is to be, without doubt */
    bool asked;           /* it has not been acknowledged */
    int64_t confirmed_ns; /* when the newest frame was sent that the broker is known to have */
};

/* What the session knows, see session.h. */
struct uplink_facts {
    int64_t heard_ns, confirmed_ns, unacked_ns;
    bool doubt; /* an operation waits for the link to prove that it is up */
};

void uplink_init(struct uplink *u, const struct uplink_opts *opts, int64_t now_ns);

/* What is to be done now; UPLINK_NOTHING: wait until uplink_deadline() or the next event. */
enum uplink_action uplink_step(struct uplink *u, const struct uplink_facts *facts, int64_t now_ns);
int64_t uplink_deadline(const struct uplink *u, const struct uplink_facts *facts);

/* ---- events ---- */
void uplink_welcomed(struct uplink *u, uint64_t lease_ms, int64_t now_ns);
void uplink_broken(struct uplink *u, int64_t now_ns); /* the connection, or the attempt */
/* The broker refused: what that means for the session.  true: it is over (the owner fails what belongs to it). */
bool uplink_refused(struct uplink *u, enum wire_code code, int64_t now_ns);
/* The session has ended for a reason of the owner's; the next Hello asks for a new one. */
void uplink_forget(struct uplink *u, int64_t now_ns);

/* ---- the lease, as the node reckons ---- */
int64_t uplink_lease_end(const struct uplink *u); /* nothing may be done from then on */
int64_t uplink_fence(const struct uplink *u);     /* nothing new may be begun from then on */

#endif
