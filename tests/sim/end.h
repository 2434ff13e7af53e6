/* end.h - an end of a channel as the program of a run has it: a bound handle, or the local channel itself.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_END_H
#define TESTS_SIM_END_H

#include "tests/sim/world.h"

#define CANCEL_REASON (-EPIPE)      /* of a receiver */
#define FAIL_REASON   (-ECONNRESET) /* of a sender */
#define REFUSAL       (-EILSEQ)     /* of a receiver's codec */
#define REJECT_REASON "not wanted"  /* of a receiver */

struct end {
    rn_chan *chan;
    unsigned home;        /* under which it was bound, for the oracle */
    uint64_t incarnation; /* of the channel */
    uint32_t sender;      /* the oracle's number of it, if it sends */
    bool in_order;        /* end_close() was answered by the home: its session had not ended */
    int channel, node;
    bool by_hand; /* its elements are rn_msg */
    bool structs; /* ... or, at the channel, not rn_bytes but what these are of */
};

/* A fresh one; tries again until it holds, in however many sessions and lives of node and broker. */
struct end end_open(struct world *w, int channel, int node, enum rn_dir dir);

/* Is that what operations on a handle give that has failed for good, through no fault of the channel's? */
bool end_is_over(int rc);
/* Has it failed so?  (rn_chan_err also gives RN_ESESSION when the session of another has ended: a sender's that the channel
 * was to close with.) */
bool end_has_failed(struct world *w, const struct end *e);
/* Does it know that the channel is closed, and with what reason? */
bool end_is_closed(struct world *w, const struct end *e);
int end_reason(struct world *w, const struct end *e);
/* The handle has failed, on that node: fails unless there is a fault to blame. */
void end_check_over(struct world *w, const struct end *e, int node);

/* Undoes the bind, and lets go.  0: all that was sent is accepted; or why the handle had failed. */
int end_close(struct world *w, struct end *e);
/* Lets go of one that is over. */
void end_drop(struct end *e);

/* rn_flush and rn_chan_unsent, also of local channels. */
int end_flush(struct world *w, const struct end *e);
uint64_t end_unsent(struct world *w, const struct end *e);

/* ---- elements: the oracle's number and a pattern ---- */
void element_make(struct world *w, int channel, uint32_t id, rn_bytes *out);
uint32_t element_id(const rn_bytes *b);
/* Fails if the goroutine that has just received it (as msg, or not: NULL) has another trace context than it was sent with. */
void element_check_trace(const struct world *w, uint32_t id, const rn_msg *msg);

/* ---- one operation, by itself or in a select ---- */
rn_time op_deadline(struct world *w, enum rn_op op);
/* Sends or receives until the deadline; RN_ETIMEDOUT also when a timer was faster. */
int op_perform(struct world *w, const struct end *e, void *elem, enum rn_op op, rn_time deadline);

/* ---- who uses ends ---- */
struct sender_job {
    struct world *w;
    int channel, node, sender;
    struct sharing *sharing; /* or NULL: it opens its own */
};
void sender_run(struct sender_job *j);

struct receiver_job {
    struct world *w;
    int channel, node;
    struct sharing *sharing;
};
void receiver_run(struct receiver_job *j);
/* What the oracle, and what judges fanouts, is to call that end, of a receiver. */
uint32_t receiver_handle(struct world *w, const struct end *e, bool alone);

/* Reads the dead letters of a channel, until `over` says that there will be no more, and all have come. */
struct mourner_job {
    struct world *w;
    int channel;
    bool (*over)(const struct world *w, int channel);
};
void mourner_run(const struct mourner_job *j);

/* Looks into a channel, and purges it, until `over`. */
struct browser_job {
    struct world *w;
    int channel;
    bool (*over)(const struct world *w, int channel);
};
void browser_run(const struct browser_job *j);

/* One end that several goroutines use; the last one closes it. */
struct sharing {
    struct end end;
    int users;
    uint32_t handle; /* the oracle's, if it receives */
};

#endif
