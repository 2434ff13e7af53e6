/* receiver.c - a goroutine that receives, until the channel is closed.   SPDX-License-Identifier: MIT
 *
 * It tells the oracle what it received and how it ended, and now and then it leaves, cancels, or refuses an element. */
#include "tests/sim/end.h"

#include <errno.h>
#include <stdlib.h>

struct receiver {
    const struct receiver_job *job;
    struct world *w;
    struct sharing *sharing; /* NULL: the end is its own */
    struct end end;
    bool
        last; /* nobody sends any more since before the end was opened: what it finds closed stays so */
    uint32_t handle; /* the oracle's */
};

static void think(struct world *w, int channel)
{
    int64_t most_ns = w->config.channel[channel].think_ns;

    if (most_ns > 0 && sim_chance(w, 50))
        rn_sleep(rn_after(sim_time(w, most_ns)));
}

/* Lets go of the end; the last who has it unbinds it, if its session still lives. */
static void leave(struct receiver *r)
{
    struct sharing *sharing = r->sharing;

    r->sharing = NULL;
    if (sharing != NULL && --sharing->users > 0)
        return;
    free(sharing);
    if (end_has_failed(r->w, &r->end))
        end_drop(&r->end);
    else
        end_close(r->w, &r->end);
    if (!r->end.in_order)
        oracle_session_ended(r->w->oracle, r->handle);
}

static void enter(struct receiver *r)
{
    const struct receiver_job *j = r->job;

    r->last = r->w->senders_left[j->channel] == 0;
    r->end = end_open(r->w, j->channel, j->node, RN_IN);
    r->handle = oracle_handle(r->w->oracle, j->channel, r->end.home, r->end.incarnation,
                              r->w->config.channel[j->channel].receivers == 1 &&
                                  !r->w->config.shared_handles);
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

    end_close(r->w, &r->end);
    ends |= !r->end.in_order;
    if (ends)
        oracle_session_ended(r->w->oracle, handle);
    enter(r);
    if (!ends)
        r->handle = handle;
}

/* The handle has failed.  What it has taken and not reported may come again, if its session has ended. */
static void begin_anew(struct receiver *r, bool session_ended)
{
    if (session_ended)
        oracle_session_ended(r->w->oracle, r->handle);
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

static void took(struct receiver *r, rn_bytes *b)
{
    struct world *w = r->w;

    oracle_received(w->oracle, r->handle, element_id(b));
    rn_bytes_free(b);
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
    if (r->last || !(c->early_close || c->cancels || c->autoclose))
        return false;
    rn_sleep(rn_after(r->w->config.lease_ns / 100));
    begin_anew(r, false); /* it has nothing left that could come again */
    return true;
}

/* false: the channel is closed and drained. */
static bool receive(struct receiver *r)
{
    struct world *w = r->w;
    rn_bytes b;
    int rc;

    oracle_calls(w->oracle, r->handle);
    rc = op_perform(w, &r->end, &b, RN_RECV, op_deadline(w, RN_RECV));
    oracle_returns(w->oracle, r->handle);
    if (rc == 0)
        took(r, &b);
    else if (rc == RN_ETIMEDOUT)
        rn_sleep(rn_after(100 * RN_US));
    else if (end_is_over(rc))
        session_over(r);
    else if (rc == -EILSEQ && w->config.refusals)
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
