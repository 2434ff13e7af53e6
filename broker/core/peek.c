/* peek.c - see peek.h.   SPDX-License-Identifier: MIT
 *
 * What is in a channel lies in several queues: buffered, with each receiver, delayed, dying.  One walk over all of them keeps
 * the runs with the lowest positions, which are then told in order.  Nothing is remembered from one question to the next. */
#include "broker/core/peek.h"

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
    const struct run *run;
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

static uint64_t position_of(const struct run *r)
{
    return r->s.position > 0 ? r->s.position : NOWHERE;
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

/* false: it is behind all that are kept, and there is no place left. */
static bool keep(struct search *s, struct spot spot)
{
    uint64_t position = position_of(spot.run), last;
    uint32_t at = s->n;

    if (s->n == SPOTS_MAX) {
        last = position_of(s->spots[s->n - 1].run);
        s->more |= (position < last ? last : position) != NOWHERE;
        if (last <= position)
            return false;
        at = --s->n;
    }
    for (; at > 0 && position_of(s->spots[at - 1].run) > position; at--)
        s->spots[at] = s->spots[at - 1];
    s->spots[at] = spot;
    s->n++;
    return true;
}

static bool is_before(const struct run *r, uint64_t from)
{
    return position_of(r) != NOWHERE && r->s.position + r->s.count <= from;
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
        if (is_before(like.run, s->from))
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
        if (o->sender == NULL && s->looked++ < PEEK_RUNS_MAX && !is_before(o->run, s->from))
            (void)keep(s, (struct spot){ .run = o->run, .place = WIRE_BUFFERED });
    }
}

static void look_at_all(struct search *s, const struct channel *ch)
{
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

/* The i-th of its run. */
static struct wire_element info_of(const struct spot *spot, uint32_t i, int64_t now_ns)
{
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

/* false: the page is full, or has as many as were wanted. */
static bool tell_run(struct page *p, const struct spot *spot, const struct wire_control *c,
                     int64_t now_ns)
{
    const struct run *r = spot->run;
    size_t at = 0;

    for (uint32_t i = 0; i < r->s.count; i++) {
        size_t len;
        const uint8_t *bytes = section_element(&r->s, &at, &len);
        struct wire_element e;

        if (r->s.position > 0 && r->s.position + i < c->peek.from)
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
        answer.answer.more |= position_of(s->spots[i].run) != NOWHERE;
        break;
    }
    page_say(p, to, c->bind, answer);
}

int peek_answer(struct core *core, struct core_session *s, const struct wire_control *c)
{
    const struct channel *ch = channel_find(core, c->peek.name);
    struct search search = { .from = c->peek.from };
    struct page page;
    int rc = -ENOMEM;

    if (ch == NULL) {
        page_refuse(s, c->bind, WIRE_NOT_FOUND, c->peek.name, "this broker has no such channel");
        return 0;
    }
    if (channel_fans(ch)) {
        page_refuse(s, c->bind, WIRE_UNSUPPORTED, ch->name, "a fanout cannot be peeked into yet");
        return 0;
    }
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
