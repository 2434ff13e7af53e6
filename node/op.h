/* op.h - one operation on a handle: prepared, attempted, finished.   SPDX-License-Identifier: MIT
 *
 * Between handle.c, op.c and quick.c only. */
#ifndef NODE_OP_H
#define NODE_OP_H

#include "node/handle.h"

#define ELEM_ON_STACK 256 /* an element up to this is decoded on the stack */
#define QUICK_ROOM    512 /* bytes of an element that a quick operation has room for, encoded */

/* What a send says beside its element: rn__op.with. */
struct op_with {
    const char *traceparent; /* NULL: that of the goroutine; "": none */
    const char *reply;       /* NULL: none */
    uint64_t call;           /* 0: none */
    struct manner times;     /* its delay, how long it lives */
};

static inline enum rn_op op_of_dir(enum rn_dir dir)
{
    return dir == RN_OUT ? RN_SEND : RN_RECV;
}

/* NULL: it stays with the handle, which may have given it to another by now. */
static inline struct parcel *op_parcel(const struct rn__op *op)
{
    return op->token;
}

/* The books of who waits: an operation counts from now on, or no longer.  Channel locked. */
void op_joins(struct side *side, const struct rn__op *op);
void op_left(struct side *side, const struct rn__op *op);

/* Could it be performed now?  0; RN__NOT_READY; < 0: its result instead.  Channel locked; does not look at
 * who waits before it. */
int send_ready(struct handle *h, const struct rn__op *op);
int receive_ready(struct handle *h);

/* What nearly always happens, see quick.c; as the operations table says. */
uint16_t op_flat(const struct handle *h, enum rn_dir dir,
                 const rn_codec *codec); /* for struct side */
int op_send(rn_chan *c, const void *elem, rn_time deadline);
int op_recv(rn_chan *c, void *elem, rn_time deadline);

/* The taker's part in the order: rc is how its decoding went.  Gives the receive's result, or RN__RETRY. */
int receive_settle(struct handle *h, struct parcel *p, int rc);

/* The message is the receive's; by hand its delivery of that number, at `place` (else NULL), is in the program's hands now. */
void message_hand_over(rn_msg *m, uint64_t position, uint32_t deliveries, uint64_t number,
                       struct delivery *place);

/* Performs it.  Channel locked, and it is ready. */
int send_perform(struct handle *h, struct rn__op *op);
void receive_perform(struct handle *h, struct rn__op *op);

/* A send was withdrawn before it left.  Channel locked; unlocks it. */
void handle_withdrawn(struct handle *h, struct parcel *gone, uint64_t number);

#endif
