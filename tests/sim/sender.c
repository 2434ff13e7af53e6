/* sender.c - a goroutine that sends.   SPDX-License-Identifier: MIT
 *
 * It is written as a user would write it - plain rn_chan_send and rn_select, a fresh handle when a session is over -
 * and tells the oracle what it tried and what it was answered. */
#include "tests/sim/end.h"

#include <errno.h>
#include <stdlib.h>

struct sender {
    const struct sender_job *job;
    struct world *w;
    struct sharing *sharing; /* NULL: the end is its own */
    struct end end;
    uint32_t *sent; /* what gave 0 on this end */
    size_t n_sent;
};

/* The handle has failed: the newest of its sends that gave 0 are in doubt, as many as rn_chan_unsent says.  Who shares
 * it cannot know whose they are: so many of everybody's may be. */
static void doubt(struct sender *s)
{
    uint64_t k = end_unsent(s->w, &s->end);

    oracle_sender_ended(s->w->oracle);
    end_check_over(s->w, &s->end, s->job->node);
    if (k > s->n_sent && s->sharing == NULL)
        sim_fail("%llu sends are in doubt, but only %zu were made", (unsigned long long)k,
                 s->n_sent);
    for (; k > 0 && s->n_sent > 0; k--)
        oracle_fate(s->w->oracle, s->sent[--s->n_sent], FATE_DOUBT);
    s->n_sent = 0;
}

static int unbind(struct sender *s)
{
    int rc;

    oracle_sender_gone(s->w->oracle, s->end.sender, GONE_UNSURE);
    rc = end_close(s->w, &s->end);
    oracle_sender_gone(s->w->oracle, s->end.sender, s->end.in_order ? GONE_UNBOUND : GONE_UNSURE);
    return rc;
}

/* Lets go of the end, which has failed or has nothing left to say. */
static void leave(struct sender *s)
{
    struct sharing *sharing = s->sharing;

    s->sharing = NULL;
    if (sharing != NULL && --sharing->users > 0)
        return;
    free(sharing);
    if (end_has_failed(s->w, &s->end)) {
        /* When its node was closed it may have been unbound in time. */
        oracle_sender_gone(s->w->oracle, s->end.sender,
                           rn_chan_err(s->end.chan) == -ESHUTDOWN ? GONE_UNSURE : GONE_DEAD);
        end_drop(&s->end);
    } else if (unbind(s) != 0 && s->n_sent > 0) {
        sim_fail("unbinding said that sends are in doubt, and the flush before had not");
    }
}

static void begin_anew(struct sender *s)
{
    doubt(s);
    leave(s);
    s->end = end_open(s->w, s->job->channel, s->job->node, RN_OUT);
}

/* Unbinds and binds again: all that was sent has been accepted by then, unless the session ended. */
static void rebind(struct sender *s)
{
    struct end before = s->end;
    int rc;

    rn_chan_ref(before.chan);
    rc = unbind(s);
    s->end = before;
    if (end_is_over(rc))
        doubt(s);
    else if (rc != 0)
        sim_fail("unbinding gave %s", rn_strerror(rc));
    s->n_sent = 0;
    end_drop(&s->end);
    s->end = end_open(s->w, s->job->channel, s->job->node, RN_OUT);
}

/* Is it an answer that a channel may give, at its end? */
static bool is_end(const struct world *w, int rc)
{
    return rc == RN_ECLOSED || (w->config.cancels && rc == CANCEL_REASON);
}

/* Receives that are promised an element may return without it: their codec refuses it, or they give up while their link is
 * down. */
static bool receives_yield(const struct sim_config *c)
{
    bool give_up = c->deadlines || c->selects;

    return c->refusals || (give_up && (c->breaks || c->jumps || sim_sessions_end(c)));
}

static void went_well(struct sender *s, uint32_t id, bool confirmed)
{
    const struct sim_config *c = &s->w->config;

    oracle_fate(s->w->oracle, id, FATE_SENT);
    if (confirmed)
        oracle_accepted(s->w->oracle, id);
    s->sent[s->n_sent++] = id;
    if (c->channel[s->job->channel].slow != RN_SLOW_ANY)
        listeners_sent(s->w->listeners, id, (uint64_t)c->channel[s->job->channel].capacity,
                       oracle_expires(s->w->oracle, id));
    oracle_capacity(s->w->oracle, s->job->channel, s->end.home,
                    (size_t)c->channel[s->job->channel].capacity, receives_yield(c));
    if (c->rebinds && s->sharing == NULL && sim_chance(s->w, 5))
        rebind(s);
}

/* Tries to send the order-th element.  false: the channel has ended.  The last waits for ever: so there must be a slot
 * for it, whatever became of those before. */
static bool send(struct sender *s, uint32_t order)
{
    struct world *w = s->w;
    uint32_t id = oracle_try(w->oracle, s->end.sender, s->job->sender, order);
    listeners_tried(w->listeners, id,
                    w->config.channel[s->job->channel].slow != RN_SLOW_ANY ? s->end.incarnation
                                                                           : 0);
    bool last = order + 1 == w->config.channel[s->job->channel].elements;
    rn_bytes b;
    int rc;

    element_make(w, s->job->channel, id, &b);
    rn_time deadline = last ? RN_FOREVER : op_deadline(w, RN_SEND);
    oracle_times(w->oracle, id, 0, w->config.channel[s->job->channel].ttl_ns);
    rc = op_perform(w, &s->end, &b, RN_SEND, deadline);
    if (rc == 0) {
        went_well(s, id, w->config.confirm && deadline != RN_NOWAIT);
        return true;
    }
    oracle_fate(w->oracle, id, rc == RN_EUNKNOWN ? FATE_DOUBT : FATE_NOT_SENT);
    if (rc != RN_EUNKNOWN)
        rn_bytes_free(&b);
    if (is_end(w, rc))
        return false;
    if (end_is_over(rc))
        begin_anew(s);
    else if (rc == RN_ETIMEDOUT)
        rn_yield();
    else if (rc != RN_EUNKNOWN)
        sim_fail("send: %s", rn_strerror(rc));
    return true;
}

static void close_early(struct sender *s)
{
    struct world *w = s->w;

    if (!w->config.early_close || !sim_chance(w, 30))
        return;
    oracle_by_hand(w->oracle, s->end.incarnation);
    if (w->config.autoclose) /* that may have been first */
        oracle_shut(w->oracle, s->job->channel, s->end.home);
    if (w->config.fails && sim_chance(w, 50)) {
        w->faults[FAULT_FAIL]++;
        oracle_failed(w->oracle, s->job->channel, s->end.home);
        rn_chan_fail(s->end.chan, FAIL_REASON);
    } else {
        oracle_shut(w->oracle, s->job->channel, s->end.home);
        rn_chan_close(s->end.chan);
    }
}

static void finish(struct sender *s)
{
    int rc = end_flush(s->w, &s->end);

    if (end_is_over(rc))
        doubt(s);
    else if (rc != 0 && !is_end(s->w, rc))
        sim_fail("flush: %s", rn_strerror(rc));
    else if (s->sharing == NULL && end_unsent(s->w, &s->end) != 0)
        sim_fail("flushed, yet %llu are unsent", (unsigned long long)end_unsent(s->w, &s->end));
    s->n_sent = 0;
    leave(s);
}

void sender_run(struct sender_job *j)
{
    struct world *w = j->w;
    uint32_t n = w->config.channel[j->channel].elements;
    struct sender s = { .job = j, .w = w, .sharing = j->sharing };

    s.sent = malloc((n + 1) * sizeof *s.sent);
    if (s.sent == NULL)
        abort();
    s.end = s.sharing != NULL ? s.sharing->end : end_open(w, j->channel, j->node, RN_OUT);
    for (uint32_t i = 0; i < n && send(&s, i); i++)
        continue;
    close_early(&s);
    finish(&s);
    free(s.sent);
    w->senders_left[j->channel]--;
}
