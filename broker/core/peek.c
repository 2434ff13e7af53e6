/* peek.c - see peek.h.   SPDX-License-Identifier: MIT
 *
 * What is in a channel lies in several queues: buffered, with each receiver, delayed, dying; or in the log of a fanout, whose
 * elements are shown once, however many windows they are in.  One walk over all of them keeps the runs with the lowest
 * positions, which are then told in order.  Nothing is remembered from one question to the next. */
#include "broker/core/peek.h"

#include "broker/core/batch.h"
#include "broker/core/fan.h"
#include "broker/core/nap.h"
#include "broker/core/page.h"
#include "runtime/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS     INT64_C(1000000)
#define SPOTS_MAX PAGE_ELEMENTS /* a run has at least one element */

/* A run, and where it is. */
struct spot {
    struct run *run;
    const struct batch *batch; /* it is the batch's, in which some elements may be gone; or NULL */
    uint64_t next;             /* of a batch: the first position that some window was not handed */
    enum wire_place place;
    const struct binding *holder; /* or NULL */
    int64_t due_ns;               /* DELAYED */
    bool pulled;                  /* its delivery numbers mean something */
};

/* The lowest runs that end at or behind `from`; by position.  What was sent with a delay that is not over has none yet, and is
 * behind all others: it is shown as far as the last page has room for it. */
struct search {
    uint64_t from;
    struct spot *spots;
    uint32_t n, looked;
    bool more; /* there are others that have a position */
};

#define NOWHERE UINT64_MAX

static uint64_t position_of(const struct spot *spot)
{
    uint64_t position = spot->batch != NULL ? spot->batch->position : spot->run->s.position;

    return position > 0 ? position : NOWHERE;
}

static uint32_t count_of(const struct spot *spot)
{
    return spot->batch != NULL ? spot->batch->count : spot->run->s.count;
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

/* false: it is behind all that are kept, and there is no place left. */
static bool keep(struct search *s, struct spot spot)
{
    uint64_t position = position_of(&spot), last;
    uint32_t at = s->n;

    if (s->n == SPOTS_MAX) {
        last = position_of(&s->spots[s->n - 1]);
        s->more |= (position < last ? last : position) != NOWHERE;
        if (last <= position)
            return false;
        at = --s->n;
    }
    for (; at > 0 && position_of(&s->spots[at - 1]) > position; at--)
        s->spots[at] = s->spots[at - 1];
    s->spots[at] = spot;
    s->n++;
    return true;
}

static bool is_before(const struct spot *spot, uint64_t from)
{
    return position_of(spot) != NOWHERE && position_of(spot) + count_of(spot) <= from;
}

/* `like` says what the runs of q have in common. */
static void look(struct search *s, const struct run_queue *q, bool in_order, struct spot like)
{
    list_each(&q->head, at)
    {
        like.run = list_entry(at, struct run, hook);
        if (s->looked == PEEK_RUNS_MAX)
            return;
        s->looked++;
        if (is_before(&like, s->from) || like.run->batch != NULL) /* it is shown in the log */
            continue;
        if (!keep(s, like) && in_order)
            return;
    }
}

static void look_at_nap(void *arg, const struct run_queue *runs, int64_t due_ns)
{
    look(arg, runs, /* in_order= */ false,
         (struct spot){ .place = WIRE_DELAYED, .due_ns = due_ns });
}

static void look_at_receiver(struct search *s, const struct binding *b)
{
    struct spot like = { .place = WIRE_DELIVERED, .holder = b };

    look(s, &b->outbox, false, like);
    like.pulled = true;
    look(s, &b->hand, false, like);
    look(s, &b->delivered, false, like);
    for (const struct offer *o = b->claims; o != NULL; o = o->hh_claim.next) {
        struct spot spot = { .run = o->run, .place = WIRE_BUFFERED };
        if (o->sender == NULL && s->looked++ < PEEK_RUNS_MAX && !is_before(&spot, s->from))
            (void)keep(s, spot);
    }
}

/* Up to where all windows were handed everything. */
static uint64_t handed_to_all(const struct channel *ch)
{
    uint64_t next = ch->next_position;

    list_each(&ch->in.bindings, at)
    {
        const struct window *w = &list_entry(at, struct binding, of_side)->window;
        if (w->open && w->next < next)
            next = w->next;
    }
    return next;
}

static void look_at_log(struct search *s, const struct channel *ch)
{
    uint64_t next = handed_to_all(ch);
    struct spot like = { 0 };

    list_each(&ch->fan.log, at)
    {
        like.batch = list_entry(at, struct batch, hook);
        like.run = like.batch->run;
        like.next = like.batch->late ? UINT64_MAX : next; /* too late for who was not handed it */
        if (s->looked++ == PEEK_RUNS_MAX || (!is_before(&like, s->from) && !keep(s, like)))
            return;
    }
}

static void look_at_all(struct search *s, const struct channel *ch)
{
    if (channel_fans(ch)) {
        look_at_log(s, ch);
        nap_each(ch, look_at_nap, s);
        look(s, &ch->fan.due, /* in_order= */ false, (struct spot){ .place = WIRE_BUFFERED });
        return;
    }
    list_each(&ch->in.bindings, at) look_at_receiver(s, list_entry(at, struct binding, of_side));
    look(s, &ch->dying, false, (struct spot){ .place = WIRE_DYING });
    nap_each(ch, look_at_nap, s);
    look(s, &ch->queue, /* in_order= */ true, (struct spot){ .place = WIRE_BUFFERED });
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

static uint64_t ms_until(int64_t from_ns, int64_t to_ns)
{
    return to_ns > from_ns ? (uint64_t)(to_ns - from_ns) / MS_NS : 0;
}

/* The i-th of a batch. */
static struct wire_element info_in_log(const struct spot *spot, uint32_t i, int64_t now_ns)
{
    const struct run *r = spot->run;
    uint64_t position = spot->batch->position + i;

    return (struct wire_element){
        .position = position,
        .place = position < spot->next ? WIRE_DELIVERED : WIRE_BUFFERED,
        .node = "",
        .age_ms = ms_until(r->accepted_ns, now_ns),
        .flags = r->s.flags,
    };
}

/* The i-th of its run. */
static struct wire_element info_of(const struct spot *spot, uint32_t i, int64_t now_ns)
{
    if (spot->batch != NULL)
        return info_in_log(spot, i, now_ns);

    const struct run *r = spot->run;
    struct wire_element e = {
        .position = r->s.position > 0 ? r->s.position + i : 0,
        .deliveries = r->s.deliveries,
        .place = spot->place,
        .node = spot->holder != NULL ? spot->holder->session->node : "",
        .age_ms = ms_until(r->accepted_ns, now_ns),
        .due_ms = spot->due_ns > 0 ? ms_until(now_ns, spot->due_ns) : 0,
        .flags = r->s.flags & ~(WIRE_OFFER | WIRE_PATIENT),
    };

    if (spot->pulled && spot->holder->by_hand && r->s.number + i <= spot->holder->taken_number)
        e.place = WIRE_IN_HAND;
    if (e.place == WIRE_BUFFERED || e.place == WIRE_DELAYED)
        e.deliveries--; /* the next one is counted already */
    return e;
}

/* false: the page is full, or has as many as were wanted, or there is no memory to go on. */
static bool tell_run(struct page *p, const struct spot *spot, const struct wire_control *c,
                     int64_t now_ns)
{
    struct run *r = spot->run;
    uint64_t position = position_of(spot);
    size_t at = 0;

    if (!run_gather(r))
        return false;

    for (uint32_t i = 0; i < count_of(spot); i++) {
        if (spot->batch != NULL && spot->batch->of[i].holders == 0)
            continue; /* it is gone, and its bytes may be */
        if (spot->batch != NULL)
            at = spot->batch->of[i].at;
        size_t len;
        const uint8_t *bytes = section_element(&r->s, &at, &len);
        struct wire_element e;

        if (position != NOWHERE && position + i < c->peek.from)
            continue;
        if (c->peek.count > 0 && p->n == c->peek.count)
            return false;
        e = info_of(spot, i, now_ns);
        e.size = len;
        if (e.position == c->peek.from && e.position > 0)
            e.offset = c->peek.offset < len ? c->peek.offset : len;
        e.bytes = bytes + e.offset;
        e.len = len - e.offset;
        if (!page_add(p, e))
            return false;
    }
    return true;
}

static void tell(const struct search *s, struct page *p, const struct channel *ch,
                 struct core_session *to, const struct wire_control *c)
{
    struct wire_control answer = { .answer = { .more = s->more, .incarnation = ch->incarnation } };

    for (uint32_t i = 0; i < s->n; i++) {
        if (tell_run(p, &s->spots[i], c, ch->core->now_ns))
            continue;
        answer.answer.more |= position_of(&s->spots[i]) != NOWHERE;
        break;
    }
    page_say(p, to, c->bind, answer);
}

int peek_answer(struct core_session *s, const struct wire_control *c)
{
    const struct channel *ch = page_channel(s, c);
    struct search search = { .from = c->peek.from };
    struct page page;
    int rc = -ENOMEM;

    if (ch == NULL)
        return 0;
    search.spots = malloc(SPOTS_MAX * sizeof *search.spots);
    if (!page_init(&page) || search.spots == NULL)
        goto free;
    look_at_all(&search, ch);
    tell(&search, &page, ch, s, c);
    rc = 0;

free:
    page_fini(&page);
    free(search.spots);
    return rc;
}
