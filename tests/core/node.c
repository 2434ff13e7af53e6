/* node.c - the model node of the harness: it works as its credit, its elements and its home let it.
 *   SPDX-License-Identifier: MIT */
#include "tests/core/node.h"

#include "runtime/assert.h"
#include "tests/core/message.h"

#include <stdlib.h>
#include <string.h>

uint32_t world_piece_bytes;

struct handle *node_handle(struct node *n, uint32_t number)
{
    for (size_t i = 0; i < n->handles.n; i++) {
        if (n->handles.at[i]->number == number)
            return n->handles.at[i];
    }
    return NULL;
}

static bool in_pieces(size_t size)
{
    return world_piece_bytes > 0 && size > 4 * world_piece_bytes;
}

/* m is one large element: it goes in pieces instead. */
static void send_pieces(struct node *n, struct message *m)
{
    size_t at = 0, len;
    const uint8_t *element = section_element(&m->section, &at, &len);

    for (at = 0; at < len; at += world_piece_bytes) {
        struct message *piece = calloc(1, sizeof *piece);
        rn_assert(piece != NULL);
        *piece = (struct message){ .data = true, .bind = m->bind, .frame = frame_ref(m->frame) };
        piece_cut(&piece->section, &m->section, element, at, world_piece_bytes);
        if (at + piece->section.size == len)
            piece->whole = m->section;
        row_add(&n->up, piece);
    }
    message_free(m);
}

/* Sends what credit allows, as far as the times are the same, as one section; a large element alone.  false: nothing. */
static bool work_out(struct handle *h)
{
    size_t n = 0, size = 0, at = 0;
    uint64_t bytes = 0, delay_ms = h->sends.n > 0 ? h->sends.at[0].delay_ms : 0,
             ttl_ms = h->sends.n > 0 ? h->sends.at[0].ttl_ms : 0,
             together = h->sends.n > 0 ? h->sends.at[0].together : 0;
    uint32_t flags = h->n_sections_out % 2 == 0 ? WIRE_HEADED : 0;

    while (n < h->sends.n && n < h->credit && bytes + h->sends.at[n].size <= h->credit_bytes &&
           h->sends.at[n].delay_ms == delay_ms && h->sends.at[n].ttl_ms == ttl_ms &&
           h->sends.at[n].together == together) {
        if (n > 0 && (in_pieces(h->sends.at[n].size) || in_pieces(h->sends.at[n - 1].size)))
            break;
        bytes += h->sends.at[n].size;
        size += element_size(h->sends.at[n].size);
        n++;
    }
    if (n == 0)
        return false;
    struct message *m = calloc(1, sizeof *m);
    struct frame *f = frame_new(size);
    rn_assert(m != NULL && f != NULL);
    for (size_t i = 0; i < n; i++) {
        struct send *s = &h->sends.at[0];
        at += element_prefix(f->data + at, s->size);
        memset(f->data + at, 0, s->size);
        memcpy(f->data + at, &s->id, sizeof s->id);
        h->node->world->elements.at[s->id].flags = flags;
        at += s->size;
        row_shift(&h->sends);
    }
    *m = (struct message){ .data = true, .bind = h->number, .frame = f };
    m->section = (struct wire_section){
        .bind = h->number,
        .count = (uint32_t)n,
        .number = h->sent + 1,
        .position = together,
        .incarnation = h->incarnation,
        .epoch = h->epoch,
        .bytes = bytes,
        .size = (uint32_t)size,
        .body = f->data,
        .flags = flags | (delay_ms > 0 || ttl_ms > 0 ? WIRE_TIMED : 0),
        .delay_ms = delay_ms,
        .ttl_ms = ttl_ms,
    };
    h->sent += n;
    h->credit -= n;
    h->credit_bytes -= bytes;
    m->whole = m->section;
    h->n_sections_out++;
    if (in_pieces(bytes) && n == 1)
        send_pieces(h->node, m);
    else
        row_add(&h->node->up, m);
    return true;
}

static bool has_expired(const struct world *w, const struct stored *s)
{
    return s->expires_ms > 0 && s->expires_ms * 1000000 <= w->now;
}

/* Drops what has expired here, and says so. */
static void expire(struct handle *h)
{
    struct world *w = h->node->world;

    for (size_t i = 0; i < h->store.n;) {
        struct wire_range range = { h->store.at[i].number, 0 };
        size_t n = 0;

        while (i + n < h->store.n && has_expired(w, &h->store.at[i + n]) &&
               h->store.at[i + n].number == range.first + n)
            n++;
        if (n == 0) {
            i++;
            continue;
        }
        memmove(h->store.at + i, h->store.at + i + n, (h->store.n - i - n) * sizeof *h->store.at);
        h->store.n -= n;
        h->expired += n;
        range.count = n;
        say(h->node, &(struct wire_control){ .what = WIRE_SETTLE,
                                             .bind = h->number,
                                             .settle = { .why = "",
                                                         .verdict = WIRE_EXPIRED,
                                                         .ranges = &range,
                                                         .n_ranges = 1 } });
    }
}

/* Nobody receives it before its time, or later: the home's clock is rounded up to a millisecond. */
static void check_time(const struct handle *h, const struct stored *s)
{
    const struct world *w = h->node->world;
    const struct element *e = &w->elements.at[s->id];

    if (s->dead.channel[0] != '\0')
        return;
    rn_assert(w->now >= e->from_ns || ending_is_closed(h));
    rn_assert(e->until_ns == INT64_MAX || w->now <= e->until_ns + 1000000);
}

static void work_in(struct handle *h)
{
    struct world *w = h->node->world;

    expire(h);
    while (h->receives > 0 && h->store.n > 0) {
        struct stored s = h->store.at[0];
        row_shift(&h->store);
        h->receives--;
        check_time(h, &s);
        h->taken_number = s.number;
        if (h->by_hand) {
            row_add(&h->hand, s);
            continue;
        }
        h->taken++;
        if (s.position <= h->last_position)
            h->in_order = false;
        h->last_position = s.position;
        w->elements.at[s.id].taken++;
        row_add(&h->got, s);
    }
    if (h->taken_said != h->taken_number) {
        h->taken_said = h->taken_number;
        say(h->node, &(struct wire_control){
                         .what = WIRE_TAKEN, .bind = h->number, .number = h->taken_number });
    }
}

static void work_ask(struct handle *h, uint32_t waiting)
{
    struct wire_control c = { .what = WIRE_ASK, .bind = h->number, .ask = { .waiting = waiting } };

    if (h->direction == WIRE_IN)
        c.ask.adjusted = -(int64_t)h->seen;

    if (waiting == h->asked && !h->ask_again)
        return;
    if (h->direction == WIRE_OUT && waiting > 0) {
        c.ask.first_bytes = h->sends.at[0].size;
        for (size_t i = 0; i < h->sends.n; i++)
            c.ask.bytes += h->sends.at[i].size;
    }
    h->asked = waiting;
    h->ask_again = false;
    h->n_asks++;
    say(h->node, &c);
}

void node_work(struct handle *h)
{
    if (!h->bound || h->closed || h->failing || h->unbinding || h->attributes.capacity == 0)
        return;
    if (h->direction == WIRE_OUT) {
        while (work_out(h))
            continue;
        work_ask(h, (uint32_t)h->sends.n);
    } else {
        work_in(h);
        work_ask(h, h->receives);
    }
}

static void give_back(struct handle *h, uint32_t elements)
{
    struct wire_control c = { .what = WIRE_RETURNED, .bind = h->number };

    if (h->direction == WIRE_OUT) {
        c.credit.elements = (uint32_t)h->credit;
        c.credit.bytes = h->credit_bytes;
        h->credit = h->credit_bytes = 0;
    } else {
        /* One range without a gap, the newest there is. */
        while (
            elements-- > 0 && h->store.n > 0 &&
            (c.credit.elements == 0 || h->store.at[h->store.n - 1].number + 1 == c.credit.first)) {
            c.credit.elements++;
            c.credit.first = h->store.at[--h->store.n].number;
        }
    }
    say(h->node, &c);
}

static void learn_attributes(struct handle *h, const struct wire_attributes *a)
{
    h->attributes = *a;
    h->attributes.type = message_text(h->type, sizeof h->type, a->type);
    h->opened = a->capacity != 0;
}

/* A receiver was told of a close: nothing of the stream may be left behind. */
static void expect_drained(const struct world *w, uint64_t incarnation)
{
    for (size_t i = 0; i < w->elements.n && !w->mortal && !w->fans; i++) {
        const struct element *e = &w->elements.at[i];
        rn_assert(e->incarnation != incarnation || !e->accepted || e->known_taken);
    }
}

/* The oldest n of what it has not taken are dropped, for it is too slow.  Between them something may have expired. */
static void lose(struct handle *h, size_t n)
{
    while (n > 0) {
        struct wire_range range = { h->store.at[0].number, 0 };

        for (; n > 0 && h->store.at[0].number == range.first + range.count; n--) {
            row_shift(&h->store);
            range.count++;
        }
        h->lost += range.count;
        say(h->node,
            &(struct wire_control){
                .what = WIRE_SETTLE,
                .bind = h->number,
                .settle = { .why = "", .verdict = WIRE_LOST, .ranges = &range, .n_ranges = 1 } });
    }
}

static void cut_off(struct handle *h)
{
    h->cut = true;
    lose(h, h->store.n);
    handle_unbind(h);
}

/* Of a fanout that does not wait for it. */
static void stay_small(struct handle *h)
{
    size_t most = (size_t)h->attributes.capacity;

    if (h->prefetch > 0 && h->prefetch < most)
        most = h->prefetch;
    if (h->attributes.slow <= WIRE_SLOW_BLOCK || h->store.n <= most)
        return;
    if (h->attributes.slow == WIRE_SLOW_DROP_OLDEST)
        lose(h, h->store.n - most);
    else
        cut_off(h);
}

void node_hear(struct node *n, struct message *m)
{
    const struct wire_control *c = &m->control;
    struct handle *h = node_handle(n, c->bind);

    if (c->what == WIRE_ANSWER) {
        if (n->answer != NULL)
            message_free(n->answer);
        n->answer = malloc(sizeof *m);
        rn_assert(n->answer != NULL);
        *n->answer = *m;
        m->elements = NULL;
        n->answer->control.answer.sentence = n->answer->text;
        return;
    }
    rn_assert(h != NULL);
    rn_assert(!h->unbound);
    if (c->what == WIRE_CLOSED_ || (c->what == WIRE_RECALL && c->recall.closing))
        ending_expect(h, c->recall.code, c->recall.reason);
    switch (c->what) {
    case WIRE_BOUND:
        h->bound = true;
        h->incarnation = c->bound.incarnation;
        h->epoch = c->bound.epoch;
        learn_attributes(h, &c->bound.attributes);
        break;
    case WIRE_OPENED:
        rn_assert(h->bound && h->direction == WIRE_IN);
        learn_attributes(h, &c->bound.attributes);
        break;
    case WIRE_REFUSED:
        h->refused = true;
        h->code = c->refused.code;
        message_text(h->sentence, sizeof h->sentence, c->refused.sentence);
        break;
    case WIRE_FAILED_:
        rn_assert(h->bound && h->removed);
        h->code = c->refused.code;
        message_text(h->sentence, sizeof h->sentence, c->refused.sentence);
        h->unbinding = h->unbound = true; /* nothing more is said, here or there */
        h->store.n = h->hand.n = 0;
        break;
    case WIRE_UNBOUND:
        rn_assert(h->unbinding);
        h->unbound = true;
        break;
    case WIRE_CREDIT:
        h->credit += c->credit.elements;
        h->credit_bytes += c->credit.bytes;
        h->asked -= h->asked < c->credit.elements ? h->asked : c->credit.elements;
        h->n_credits++;
        break;
    case WIRE_ACCEPTED:
        rn_assert(c->number > h->accepted && c->number <= h->sent);
        h->accepted = c->number;
        break;
    case WIRE_RECALL:
        h->n_recalls++;
        if (c->recall.closing) {
            h->failing = true;
            h->code = c->recall.code;
            h->reason = c->recall.reason;
        }
        if (!h->unbinding)
            give_back(h, c->recall.elements);
        break;
    case WIRE_CLOSED_:
        rn_assert(!h->closed);
        h->closed = true;
        h->code = c->recall.code;
        h->reason = c->recall.reason;
        if (h->code == WIRE_CANCELLED)
            h->store.n = h->hand.n = 0;
        else if (h->direction == WIRE_IN)
            expect_drained(n->world, h->incarnation);
        rn_assert(h->store.n == 0);
        rn_assert(h->hand.n == 0);
        break;
    case WIRE_LOST_:
        rn_assert(c->lost.number >= h->missed);
        h->missed = c->lost.number;
        if (c->lost.code == WIRE_SLOW && !h->unbinding)
            cut_off(h);
        break;
    default:
        rn_assert(!"a control that a core never sends");
    }
    node_work(h);
}

void node_store(struct node *n, const struct message *m)
{
    struct handle *h = node_handle(n, m->bind);
    const struct wire_section *s = &m->section;
    struct wire_section whole;
    struct frame *frame = NULL;
    size_t at = 0;

    rn_assert(h != NULL && h->direction == WIRE_IN);
    if (h->closed || h->unbinding)
        return;
    if (s->flags & WIRE_PIECE) {
        const char *why;
        int rc = assembly_add(&h->coming, s, m->frame, 0, &why);
        rn_assert(rc >= 0);
        if (rc == 0)
            return;
        frame = assembly_take(&h->coming, &whole);
        s = &whole;
    }
    rn_assert(h->coming.frame == NULL);
    rn_assert(s->incarnation == h->incarnation && s->epoch == h->epoch);
    rn_assert(s->number == h->seen + 1);
    h->seen += s->count;
    h->n_sections_in++;
    for (uint32_t i = 0; i < s->count; i++) {
        struct stored e = { .number = s->number + i,
                            .position = s->position + i,
                            .deliveries = s->deliveries,
                            .expires_ms = s->flags & WIRE_TIMED ? (int64_t)(s->clock_ms + s->ttl_ms)
                                                                : 0 };
        size_t len;
        const uint8_t *element = section_element(s, &at, &len);
        if (s->flags & WIRE_DEAD)
            rn_assert(dead_read(&e.dead, element, len, &element, &len) == 0);
        memcpy(&e.id, element, sizeof e.id);
        rn_assert((s->flags & WIRE_MANNER) == n->world->elements.at[e.id].flags);
        row_add(&h->store, e);
    }
    h->asked -= h->asked < s->count ? h->asked : s->count;
    frame_unref(frame);
    node_work(h);
    stay_small(h);
}
