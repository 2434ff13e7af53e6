/* receiver.c - a goroutine that receives, until the channel is closed.   SPDX-License-Identifier: MIT
 *
 * It tells the oracle what it received and how it ended, and now and then it leaves, cancels, or refuses an element. */
#include "tests/sim/end.h"

#include <errno.h>
#include <stdlib.h>

#define HELD_MAX 12

struct receiver {
    const struct receiver_job *job;
    struct world *w;
    struct sharing *sharing; /* NULL: the end is its own */
    struct end end;
    bool
        last; /* nobody sends any more since before the end was opened: what it finds closed stays so */
    uint32_t handle; /* the oracle's */
    struct held {
        rn_msg msg;
        uint32_t element;
    } held[HELD_MAX]; /* to be acknowledged by hand */
    int n_held;
};

/* As its receive gives it. */
union element {
    rn_bytes bytes;
    rn_msg msg;
};

static enum rn_slow slow_of(const struct world *w, int channel)
{
    return w->config.channel[channel].slow;
}

static bool is_fan(const struct receiver *r)
{
    return slow_of(r->w, r->job->channel) != RN_SLOW_ANY;
}

uint32_t receiver_handle(struct world *w, const struct end *e, bool alone)
{
    enum rn_slow slow = slow_of(w, e->channel);
    uint32_t handle = oracle_handle(w->oracle, e->channel, e->home, e->incarnation, alone);

    if (slow != RN_SLOW_ANY)
        listeners_joined(w->listeners, handle, e->incarnation, slow, alone);
    return handle;
}

static void session_ended(struct receiver *r, uint32_t handle)
{
    oracle_session_ended(r->w->oracle, handle);
    listeners_ended(r->w->listeners, handle);
}

static void note_lost(struct receiver *r)
{
    if (is_fan(r))
        listeners_lost(r->w->listeners, r->handle, rn_chan_lost(r->end.chan));
}

static void think(struct world *w, int channel)
{
    int64_t most_ns = w->config.channel[channel].think_ns;

    if (most_ns > 0 && sim_chance(w, 50))
        rn_sleep(rn_after(sim_time(w, most_ns)));
}

/* As often as an element may come. */
static uint32_t deliveries_most(const struct world *w)
{
    return w->config.max_deliveries > 0 ? w->config.max_deliveries : 16;
}

/* Gives a verdict on one of those that it holds; the result. */
static int settle(struct receiver *r, int k)
{
    struct world *w = r->w;
    struct held held = r->held[k];
    bool again = sim_chance(w, 20), reject = !again && sim_chance(w, 5);
    bool too_often = held.msg.deliveries >= deliveries_most(w);
    int rc;

    r->held[k] = r->held[--r->n_held];
    if (again)
        rc = rn_msg_nack(&held.msg, sim_chance(w, 50) ? sim_time(w, 10 * RN_MS) : 0);
    else if (reject)
        rc = rn_msg_reject(&held.msg, REJECT_REASON);
    else
        rc = rn_msg_ack(&held.msg);
    if (rc == 0 && again) {
        w->faults[FAULT_NACK]++;
        oracle_again(w->oracle, r->handle, held.element, too_often);
        if (is_fan(r))
            listeners_again(w->listeners, r->handle, held.element, too_often);
    } else if (rc == 0 && reject) {
        w->faults[FAULT_REJECT]++;
        oracle_rejected(w->oracle, r->handle, held.element);
        if (is_fan(r))
            listeners_rejected(w->listeners, r->handle, held.element);
    } else if (rc == 0) {
        oracle_acknowledged(w->oracle, r->handle, held.element);
        if (is_fan(r))
            listeners_acknowledged(w->listeners, r->handle, held.element);
    } else if (rc == RN_ESTALE) {
        w->faults[FAULT_STALE]++;
        oracle_let_go(w->oracle, held.element);
    } else {
        sim_fail("a verdict gave %s", rn_strerror(rc));
    }
    return rc;
}

/* Gives its verdicts on all that it holds.  Others may go on with the end. */
static void settle_all(struct receiver *r)
{
    while (r->n_held > 0)
        settle(r, (int)sim_below(r->w, (uint64_t)r->n_held));
}

/* The end is going: what it holds may be with others from now on, and when it has gone it is too late for verdicts. */
static void let_go_all(struct receiver *r)
{
    if (is_fan(r))
        listeners_leaves(r->w->listeners, r->handle);
    for (int k = 0; k < r->n_held; k++)
        oracle_let_go(r->w->oracle, r->held[k].element);
}

static void settle_late(struct receiver *r)
{
    while (r->n_held > 0)
        if (settle(r, 0) != RN_ESTALE)
            sim_fail("a verdict was taken, though its handle was unbound");
}

/* Lets go of the end; the last who has it unbinds it, if its session still lives. */
static void leave(struct receiver *r)
{
    struct sharing *sharing = r->sharing;

    r->sharing = NULL;
    if (sharing != NULL || sim_chance(r->w, 50))
        settle_all(r);
    if (sharing != NULL && --sharing->users > 0)
        return;
    free(sharing);
    let_go_all(r);
    if (end_has_failed(r->w, &r->end))
        end_drop(&r->end);
    else
        end_close(r->w, &r->end);
    settle_late(r);
    if (!r->end.in_order)
        session_ended(r, r->handle);
}

static void enter(struct receiver *r)
{
    const struct receiver_job *j = r->job;

    r->last = r->w->senders_left[j->channel] == 0;
    r->end = end_open(r->w, j->channel, j->node, RN_IN);
    r->handle = receiver_handle(r->w, &r->end,
                                (is_fan(r) || r->w->config.channel[j->channel].receivers == 1) &&
                                    !r->w->config.shared_handles && !r->end.by_hand);
}

/* Has the session ended, or may it have without anybody's having been told? */
static bool session_ends(const struct receiver *r)
{
    return sim_sessions_end(&r->w->config) || end_has_failed(r->w, &r->end);
}

/* Unbinds and binds again.  What was taken is taken; what was not comes again in its place, so for the oracle this is
 * the same handle - unless sessions may end in this run, which an unbind does not tell. */
static void rebind(struct receiver *r)
{
    bool ends = session_ends(r);
    uint32_t handle = r->handle;

    if (sim_chance(r->w, 50))
        settle_all(r);
    let_go_all(r);
    end_close(r->w, &r->end);
    settle_late(r);
    ends |= !r->end.in_order;
    if (ends)
        session_ended(r, handle);
    enter(r);
    if (!ends && !is_fan(r))
        r->handle = handle;
}

/* The handle has failed.  What it has taken and not reported may come again, if its session has ended. */
static void begin_anew(struct receiver *r, bool session_is_over)
{
    if (session_is_over)
        session_ended(r, r->handle);
    leave(r);
    enter(r);
}

static void session_over(struct receiver *r)
{
    end_check_over(r->w, &r->end, r->job->node);
    begin_anew(r, true);
}

/* Goes on under a fresh handle, which finds the channel cancelled, unless the session ended before that was said. */
static void cancel(struct receiver *r)
{
    struct world *w = r->w;

    w->faults[FAULT_CANCEL]++;
    oracle_cancelled(w->oracle, r->job->channel, r->end.home);
    rn_chan_fail(r->end.chan, CANCEL_REASON);
    begin_anew(r, session_ends(r));
}

static void took_one(struct receiver *r, union element *e)
{
    struct world *w = r->w;
    rn_bytes *b = r->end.by_hand ? &e->msg.bytes : &e->bytes;
    uint32_t element = element_id(b);

    element_check_trace(w, element, r->end.by_hand ? &e->msg : NULL);
    oracle_in_time(w->oracle, element, cut_slack(w, r->job->node));
    if (r->end.by_hand) {
        if (e->msg.deliveries > deliveries_most(w))
            sim_fail("element %u came for the %uth time", element, e->msg.deliveries);
        if (is_fan(r))
            listeners_delivered(w->listeners, r->handle, element, e->msg.deliveries);
        else
            oracle_delivered(w->oracle, r->handle, element, e->msg.deliveries);
        r->held[r->n_held++] = (struct held){ e->msg, element };
    } else {
        oracle_received(w->oracle, r->handle, element);
        if (is_fan(r))
            listeners_received(w->listeners, r->handle, element);
        rn_bytes_free(b);
    }
}

static void took(struct receiver *r)
{
    struct world *w = r->w;

    think(w, r->job->channel);
    if (w->config.rebinds && r->sharing == NULL && sim_chance(w, 5))
        rebind(r);
    else if (w->config.cancels && sim_chance(w, 1))
        cancel(r);
}

/* false: that was the end.  true: the channel was closed by one of its senders, or when they had gone, and when nobody had
 * it any more, another sender may have begun a new one. */
static bool closed(struct receiver *r)
{
    const struct sim_config *c = &r->w->config;

    oracle_closed(r->w->oracle, r->handle, end_reason(r->w, &r->end));
    note_lost(r);
    r->w->faults[FAULT_LOST] += rn_chan_lost(r->end.chan);
    if (is_fan(r) && !oracle_is_cancelled(r->w->oracle, r->job->channel, r->end.home))
        listeners_closed(r->w->listeners, r->handle);
    if (r->last || !(c->early_close || c->cancels || c->autoclose))
        return false;
    rn_sleep(rn_after(r->w->config.lease_ns / 100));
    begin_anew(r, false); /* it has nothing left that could come again */
    return true;
}

/* A fanout has cut it off. */
static void cut_off(struct receiver *r)
{
    r->w->faults[FAULT_CUT]++;
    note_lost(r);
    listeners_cut(r->w->listeners, r->handle);
    begin_anew(r, session_ends(r));
}

/* A verdict comes too late only if the session is over, or what was held was dropped. */
static void some_verdict(struct receiver *r)
{
    int k = sim_chance(r->w, 50) ? 0 : (int)sim_below(r->w, (uint64_t)r->n_held);

    if (settle(r, k) == RN_ESTALE &&
        !oracle_is_cancelled(r->w->oracle, r->job->channel, r->end.home))
        session_over(r);
}

/* Whoever holds something does not wait for ever: what he waits for may be waiting for him. */
static rn_time patience(struct receiver *r)
{
    struct world *w = r->w;

    return r->n_held == 0 ? op_deadline(w, RN_RECV)
                          : rn_after(sim_time(w, 4 * w->config.delay_max_ns + RN_MS));
}

/* false: the channel is closed and drained. */
static bool receive(struct receiver *r)
{
    struct world *w = r->w;
    union element e;
    int rc;

    if (r->n_held == HELD_MAX || (r->n_held > 0 && sim_chance(w, 40))) {
        some_verdict(r);
        return true;
    }
    oracle_calls(w->oracle, r->handle);
    if (is_fan(r))
        listeners_calls(w->listeners, r->handle, +1);
    rc = op_perform(w, &r->end, &e, RN_RECV, patience(r));
    oracle_returns(w->oracle, r->handle);
    if (is_fan(r))
        listeners_calls(w->listeners, r->handle, -1);
    if (rc == 0)
        took_one(r, &e);
    if (rc == 0)
        took(r);
    else if (rc == RN_ETIMEDOUT && r->n_held > 0)
        some_verdict(r);
    else if (rc == RN_ETIMEDOUT)
        rn_sleep(rn_after(100 * RN_US));
    else if (end_is_over(rc))
        session_over(r);
    else if (rc == RN_ESLOW && is_fan(r))
        cut_off(r);
    else if (rc == -ENOMEM && w->config.refusals)
        begin_anew(r, session_ends(r));
    else if (rc != RN_ECLOSED)
        sim_fail("receive: %s", rn_strerror(rc));
    return rc != RN_ECLOSED || closed(r);
}

void receiver_run(struct receiver_job *j)
{
    struct receiver r = { .job = j, .w = j->w, .sharing = j->sharing };

    if (r.sharing != NULL) {
        r.end = r.sharing->end;
        r.handle = r.sharing->handle;
    } else {
        enter(&r);
    }
    while (receive(&r))
        continue;
    leave(&r);
    j->w->receivers_left[j->channel]--;
}
