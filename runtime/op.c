/* op.c - operations on channels, local and bound, one or a case of a select; see chan.h.   SPDX-License-Identifier: MIT */
#include "runtime/assert.h"
#include "runtime/group.h"
#include "runtime/local.h"
#include "runtime/timer.h"

/* ---- in the queues; the lock is held ---- */

size_t rn__chan_waiting(const rn_chan *c, enum rn_op kind)
{
    size_t n = 0;

    if (rn__chan_is_bound(c))
        return kind == RN_SEND ? c->n_senders : c->n_receivers;
    for (struct rn__op *op = kind == RN_SEND ? c->senders : c->receivers; op != NULL; op = op->next)
        n++;
    return n;
}

bool rn__op_fire(rn_chan *c, struct rn__op *op)
{
    if (op->queued)
        queue_remove(c, op);
    return rn__tentative_fire(op->wait);
}

bool rn__op_claim(rn_chan *c, struct rn__op *op)
{
    return op_claim(c, op);
}

struct rn__op *rn__chan_claim(rn_chan *c, enum rn_op kind)
{
    struct rn__op *op = *queue_of(c, kind), *next;

    for (; op != NULL; op = next) {
        next = op->next;
        if (op_claim(c, op))
            return op;
    }
    return NULL;
}

void rn__op_complete(struct rn__op *op, int rc)
{
    if (rc == 0)
        op_count(op);
    op->rc = rc;
    rn__race_release(op);
    if (op->sole != NULL)
        rn__ready(op->sole);
    else
        rn__wake(op->wait);
}

void rn__op_enqueue(struct rn__op *op)
{
    race_offer(op);
    queue_append(op->chan, op);
    if (op->ops == NULL)
        return;
    rn__race_hide();
    op->ops->queued(op->chan, op);
    rn__race_show();
}

void rn__op_dequeue(struct rn__op *op)
{
    if (!op->queued)
        return;
    queue_remove(op->chan, op);
    if (op->ops == NULL)
        return;
    rn__race_hide();
    op->ops->unqueued(op->chan, op);
    rn__race_show();
}

void rn__chan_abandon(struct rn__wait *w)
{
    for (int i = 0; i < w->n_ops; i++) {
        struct rn__op *op = &w->ops[i];

        if (!op->queued) /* no worker runs any more: this does not change, and the channel may be gone */
            continue;
        rn__chan_lock(op->chan);
        queue_remove(op->chan, op);
        rn__chan_unlock(op->chan);
    }
}

/* ---- one operation ---- */

/* Who sends and who receives in the same process, over the network: the elements' ways are not followed, so whatever was done
 * through bound channels before comes before. */
static const char race_wire;

int rn__op_prepare(struct rn__op *op)
{
    int rc;

    /* Acquire pairs with the release in rn__chan_bind(): what it points to is seen. */
    op->ops = atomic_load_explicit(&op->chan->ops, memory_order_acquire);
    if (op->ops == NULL)
        return 0;
    rn__race_release(&race_wire);
    rn__race_hide();
    rc = op->ops->prepare(op->chan, op);
    rn__race_show();
    if (rc < 0)
        op->ops = NULL;
    return rc;
}

static int attempt_bound(struct rn__op *op)
{
    int rc;

    rn__race_hide();
    rc = op->ops->attempt(op->chan, op);
    rn__race_show();
    return rc;
}

int rn__op_attempt(struct rn__op *op, struct rn__op **peer)
{
    int rc;

    *peer = NULL;
    if (op->ops != NULL)
        rc = attempt_bound(op);
    else if (!rn__chan_may_be_ready(op->chan, op->kind))
        rc = RN__NOT_READY;
    else if (op->kind == RN_SEND)
        rc = send_local(op->chan, op->elem, peer);
    else
        rc = recv_local(op->chan, op->elem, peer);
    if (rc == 0)
        op_count(op);
    return rc;
}

int rn__op_finish(struct rn__op *op, int performed, int rc)
{
    const struct rn__chan_ops *ops = op->ops;

    if (ops == NULL)
        return rc;
    op->ops = NULL;
    rn__race_hide();
    rc = ops->finish(op->chan, op, performed, rc);
    rn__race_show();
    rn__race_acquire(&race_wire);
    return rc;
}

int rn__op_result(const struct rn__op *op)
{
    rn__race_acquire(op);
    if (op->kind == RN_RECV && op->rc == 0)
        rn__race_writes(op->elem, op->chan->elemsize);
    return op->rc;
}

int rn__wait_forever(rn_time deadline)
{
    struct rn__wait w;

    if (rn__deadline_passed(deadline))
        return RN_ETIMEDOUT;
    rn__wait_init(&w);
    return rn__wait_park(&w, RN__WHY_FOREVER, NULL, deadline);
}

int rn__op_wait(struct rn__op *op, rn_time deadline, int *performed)
{
    enum rn__why why = op->kind == RN_SEND ? RN__WHY_SEND : RN__WHY_RECV;
    struct rn__wait w;
    rn_chan *c = op->chan;
    int rc;

    if (op->ops != NULL)
        why = RN__WHY_BOUND;
    else if (c->external)
        why = RN__WHY_SIGNAL;
    rn__wait_init_again(&w, op->id);
    w.ops = op;
    w.n_ops = 1;
    op->wait = &w;
    rn__op_enqueue(op);
    rn__trace_waits(c);
    rn__chan_unlock(c);
    rc = rn__wait_park(&w, why, c, deadline);
    op->id = atomic_load_explicit(&w.id, memory_order_relaxed);
    *performed = rc == 0;
    if (rc == 0)
        return rn__op_result(op);
    rn__chan_lock(c);
    rn__op_dequeue(op);
    rn__chan_unlock(c);
    return rc == RN__AGAIN ? RN__RETRY : rc;
}

static int op_perform(struct rn__op *op, rn_time deadline)
{
    rn_chan *c = op->chan;
    struct rn__op *peer;
    int rc, performed;

    op->deadline = deadline;
    do {
        rc = rn__op_prepare(op);
        if (rc < 0)
            return rc;
        rn__chan_lock(c);
        if (!rn__op_current(op)) {
            rn__chan_unlock(c);
            rn__op_finish(op, 0, 0);
            rc = RN__RETRY;
            continue;
        }
        performed = 1;
        rc = rn__op_attempt(op, &peer);
        if (rc != RN__NOT_READY) {
            rn__chan_unlock(c);
            if (peer != NULL)
                rn__op_complete(peer, 0);
        } else if (rn__deadline_passed(deadline)) {
            if (op->ops != NULL)
                op->ops->missed(c, op);
            rn__chan_unlock(c);
            performed = 0;
            rc = RN_ETIMEDOUT;
        } else {
            rc = rn__op_wait(op, deadline, &performed);
        }
        rc = rn__op_finish(op, performed, rc);
    } while (rc == RN__RETRY);
    return rc;
}

static int operate_with(rn_chan *c, void *elem, enum rn_op kind, const void *with, rn_time deadline)
{
    struct rn__op op = { .chan = c, .elem = elem, .kind = kind, .with = with };
    int rc;

    if (!rn__outside_enter())
        return -ESHUTDOWN;
    rc = rn__check();
    if (rc == 0)
        rc = c != NULL ? op_perform(&op, deadline) : rn__wait_forever(deadline);
    rn__outside_leave();
    return rc;
}

int rn__chan_operate(rn_chan *c, void *elem, enum rn_op kind, rn_time deadline)
{
    return operate_with(c, elem, kind, NULL, deadline);
}

int rn__chan_send_with(rn_chan *c, const void *elem, const void *with, rn_time deadline)
{
    int rc;

    rn__race_call();
    rc = operate_with(c, (void *)elem, RN_SEND, with, deadline);
    rn__race_return();
    return rc;
}
