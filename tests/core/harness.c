/* harness.c - a core with model nodes around it.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include "broker/core/channel.h"
#include "runtime/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(void *arg)
{
    struct world *w = arg;

    w->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t world_random(struct world *w, uint64_t below)
{
    return next_random(w) % below;
}

/* ---- pipes ----------------------------------------------------------------------------------------------------- */

static void message_free(struct message *m)
{
    if (m->frame != NULL)
        frame_unref(m->frame);
    free(m->elements);
    free(m);
}

static const char *keep_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text != NULL ? text : "");
    return to;
}

static void keep_elements(struct message *m)
{
    uint32_t n = m->control.answer.n_elements;
    size_t bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        bytes += m->control.answer.elements[i].len;
    m->elements = malloc(n * sizeof *m->elements + bytes);
    rn_assert(m->elements != NULL);
    uint8_t *to = (uint8_t *)(m->elements + n);
    for (uint32_t i = 0; i < n; i++) {
        struct wire_element *e = &m->elements[i];
        *e = m->control.answer.elements[i];
        memcpy(to, e->bytes, e->len);
        e->bytes = to;
        to += e->len;
    }
    m->control.answer.elements = m->elements;
}

static struct handle *handle_of(struct node *n, uint32_t number)
{
    for (size_t i = 0; i < n->handles.n; i++) {
        if (n->handles.at[i]->number == number)
            return n->handles.at[i];
    }
    return NULL;
}

static struct message *message_of(const struct wire_control *c)
{
    struct message *m = calloc(1, sizeof *m);

    rn_assert(m != NULL);
    m->control = *c;
    m->bind = c->bind;
    if (c->what == WIRE_BIND) {
        m->control.bind_.name = keep_text(m->text, sizeof m->text, c->bind_.name);
        m->control.bind_.attributes.type = keep_text(m->type, sizeof m->type,
                                                     c->bind_.attributes.type);
    } else if (c->what == WIRE_BOUND || c->what == WIRE_OPENED) {
        m->control.bound.attributes.type = keep_text(m->type, sizeof m->type,
                                                     c->bound.attributes.type);
    } else if (c->what == WIRE_REFUSED || c->what == WIRE_FAILED_) {
        m->control.refused.sentence = keep_text(m->text, sizeof m->text, c->refused.sentence);
    } else if (c->what == WIRE_QUERY) {
        m->control.query_name = keep_text(m->text, sizeof m->text, c->query_name);
    } else if (c->what >= WIRE_PEEK && c->what <= WIRE_TAP) {
        m->control.peek.name = keep_text(m->text, sizeof m->text, c->peek.name);
    } else if (c->what == WIRE_ANSWER && c->answer.n_channels > 0) {
        m->info = c->answer.channels[0];
        m->info.name = keep_text(m->text, sizeof m->text, m->info.name);
        m->info.bindings = NULL;
        if (m->info.n_taps > 0)
            m->tap = m->info.taps[0];
        m->info.taps = NULL;
    } else if (c->what == WIRE_ANSWER) {
        m->control.answer.sentence = keep_text(m->text, sizeof m->text, c->answer.sentence);
        keep_elements(m);
    } else if (c->what == WIRE_SETTLE) {
        rn_assert(c->settle.n_ranges <= RANGES_MAX);
        m->control.settle.why = keep_text(m->text, sizeof m->text, c->settle.why);
        memcpy(m->ranges, c->settle.ranges, c->settle.n_ranges * sizeof *m->ranges);
        m->control.settle.ranges = m->ranges;
    }
    return m;
}

static int out_control(void *owner, const struct wire_control *c)
{
    struct node *n = owner;

    if (c->what == WIRE_ANSWER)
        n->world->purged += c->answer.dropped;
    if (c->what == WIRE_FAILED_) {
        rn_assert(c->refused.code == WIRE_REMOVED);
        n->world->removals = handle_of(n, c->bind)->removed = true;
    }
    row_add(&n->down, message_of(c));
    return 0;
}

static void out_ready(void *owner)
{
    ((struct node *)owner)->ready = true;
}

void say(struct node *n, const struct wire_control *c)
{
    row_add(&n->up, message_of(c));
}

/* ---- the model node ------------------------------------------------------------------------------------------------ */

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

static void work(struct handle *h)
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
    h->attributes.type = keep_text(h->type, sizeof h->type, a->type);
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

static void hear(struct node *n, struct message *m)
{
    const struct wire_control *c = &m->control;
    struct handle *h = handle_of(n, c->bind);

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
        keep_text(h->sentence, sizeof h->sentence, c->refused.sentence);
        break;
    case WIRE_FAILED_:
        rn_assert(h->bound && h->removed);
        h->code = c->refused.code;
        keep_text(h->sentence, sizeof h->sentence, c->refused.sentence);
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
    work(h);
}

static void store(struct node *n, const struct message *m)
{
    struct handle *h = handle_of(n, m->bind);
    const struct wire_section *s = &m->section;
    struct wire_section whole;
    struct frame *frame = NULL;
    size_t at = 0;

    rn_assert(h != NULL && h->direction == WIRE_IN);
    if (h->closed || h->unbinding)
        return;
    if (s->flags & WIRE_PIECE) {
        const char *why;
        int rc = assembly_add(&h->coming, s, &why);
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
    work(h);
    stay_small(h);
}

/* ---- moving -------------------------------------------------------------------------------------------------------- */

/* Which message moves next: the first, or, when controls may pass, the first control that may. */
static size_t next_message(struct world *w, struct message **at, size_t n)
{
    if (!w->overtake || !at[0]->data || world_random(w, 2) == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i]->data)
            continue;
        return at[i]->control.what == WIRE_UNBIND || at[i]->control.what == WIRE_CLOSE ? 0 : i;
    }
    return 0;
}

static void note_accepted(const struct handle *h, const struct wire_section *s)
{
    struct world *w = h->node->world;
    size_t at = 0, len;
    uint64_t id, ttl_ms = h->attributes.ttl_ms > 0 ? (uint64_t)h->attributes.ttl_ms : UINT64_MAX;

    if (s->ttl_ms > 0 && s->ttl_ms < ttl_ms)
        ttl_ms = s->ttl_ms;
    if (w->fans && channel_find(w->core, h->name)->fan.n_windows == 0)
        ttl_ms = UINT64_MAX; /* it may have come, and wait to be accepted, and does not age */

    for (uint32_t i = 0; i < s->count; i++) {
        memcpy(&id, section_element(s, &at, &len), sizeof id);
        rn_assert(!w->elements.at[id].accepted);
        w->elements.at[id].accepted = true;
        w->elements.at[id].incarnation = s->incarnation;
        w->elements.at[id].from_ns = w->now + (int64_t)s->delay_ms * 1000000;
        w->elements.at[id].until_ns = ttl_ms > UINT32_MAX
                                          ? INT64_MAX
                                          : w->elements.at[id].from_ns + (int64_t)ttl_ms * 1000000;
    }
}

/* The home has just answered a Bind. */
static void note_bind(struct node *n, struct handle *h)
{
    for (size_t i = n->down.n; i-- > 0;) {
        const struct wire_control *c = &n->down.at[i]->control;
        if (n->down.at[i]->data || c->what != WIRE_BOUND || c->bind != h->number)
            continue;
        h->home_incarnation = c->bound.incarnation;
        ending_bound(h);
        return;
    }
}

static void note_done(struct handle *h, const struct wire_control *c)
{
    for (uint32_t r = 0; r < c->settle.n_ranges; r++) {
        const struct wire_range *range = &c->settle.ranges[r];
        for (size_t i = 0; i < h->got.n; i++) {
            if (h->got.at[i].number - range->first < range->count)
                h->node->world->elements.at[h->got.at[i].id].known_taken = true;
        }
    }
}

static void note_control(struct node *n, const struct wire_control *c)
{
    struct world *w = n->world;
    struct handle *h = handle_of(n, c->bind);

    if (c->what == WIRE_BIND)
        note_bind(n, h);
    if (c->what == WIRE_CLOSE && h->direction == WIRE_IN)
        row_add(&w->cancelled, h->incarnation);
    if (c->what == WIRE_CLOSE && h->home_incarnation != 0)
        ending_by_hand(h, c->recall.reason);
    if (c->what == WIRE_UNBIND)
        ending_gone(h, c->unbind.abandoned ? GONE_ABANDONED : GONE_UNBOUND);
    if (c->what == WIRE_SETTLE && c->settle.verdict == WIRE_DONE)
        note_done(h, c);
    if (c->what != WIRE_TAKEN || h->by_hand)
        return;
    for (size_t i = h->got.n; i-- > 0;) {
        struct element *e = &w->elements.at[h->got.at[i].id];
        if (h->got.at[i].number <= c->number && e->known_taken)
            break;
        e->known_taken |= h->got.at[i].number <= c->number;
    }
}

bool move_up(struct node *n)
{
    struct world *w = n->world;

    if (n->up.n == 0 || n->session == NULL)
        return false;
    size_t i = next_message(w, n->up.at, n->up.n);
    struct message *m = n->up.at[i];
    memmove(n->up.at + i, n->up.at + i + 1, (--n->up.n - i) * sizeof *n->up.at);
    if (m->data)
        w->rc = core_section(w->core, n->session, &m->section, m->frame, w->now, &w->why);
    else
        w->rc = core_control(w->core, n->session, &m->control, w->now, &w->why);
    if (w->rc == 0) {
        struct handle *h = handle_of(n, m->bind);
        if (m->data && !h->removed) {
            h->arrived += m->whole.count;
            note_accepted(h, &m->whole);
        } else if (!m->data) {
            note_control(n, &m->control);
        }
    }
    message_free(m);
    core_check(w->core);
    if (w->rc == -ENOMEM) {
        w->rc = 0; /* what a driver does: the session is over */
        node_end(n);
    }
    return true;
}

bool move_down(struct node *n)
{
    if (n->down.n == 0 || n->session == NULL)
        return false;
    size_t i = next_message(n->world, n->down.at, n->down.n);
    struct message *m = n->down.at[i];
    memmove(n->down.at + i, n->down.at + i + 1, (--n->down.n - i) * sizeof *n->down.at);
    if (m->data)
        store(n, m);
    else
        hear(n, m);
    message_free(m);
    return true;
}

void pull(struct node *n)
{
    struct world *w = n->world;
    struct wire_section s;

    n->ready = false;
    while (core_pull(w->core, n->session, w->max_pull, &s)) {
        struct message *m = calloc(1, sizeof *m);
        rn_assert(m != NULL);
        *m = (struct message){
            .data = true, .bind = s.bind, .section = s, .frame = frame_new(s.size)
        };
        rn_assert(m->frame != NULL);
        memcpy(m->frame->data, s.body, s.size);
        m->section.body = m->frame->data;
        row_add(&n->down, m);
        core_check(w->core);
    }
}

void flush(struct world *w)
{
    do {
        core_flush(w->core);
        core_check(w->core);
        for (size_t i = 0; i < w->nodes.n; i++) {
            struct node *n = w->nodes.at[i];
            if (n->session != NULL && n->ready && !n->frozen)
                pull(n);
        }
    } while (core_unsettled(w->core));
}

/* Its time has come, too. */
static void expire_all(struct node *n)
{
    for (size_t i = 0; i < n->handles.n && n->session != NULL; i++) {
        struct handle *h = n->handles.at[i];
        if (h->direction == WIRE_IN && h->store.n > 0)
            work(h);
    }
}

void world_pump(struct world *w)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < w->nodes.n; i++) {
            struct node *n = w->nodes.at[i];
            if (n->frozen)
                continue;
            expire_all(n);
            while (w->rc == 0 && move_up(n))
                moved = true;
            flush(w);
            while (move_down(n))
                moved = true;
        }
        if (w->rc < 0)
            return;
    }
}

void world_later(struct world *w, int64_t ms)
{
    int64_t until = w->now + ms * 1000000;

    while (core_deadline(w->core) <= until) {
        if (core_deadline(w->core) > w->now)
            w->now = core_deadline(w->core);
        core_tick(w->core, w->now);
        world_pump(w);
    }
    w->now = until;
    world_pump(w);
}

uint32_t world_piece_bytes;

/* ---- what tests say --------------------------------------------------------------------------------------------------- */

struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);

    rn_assert(w != NULL);
    w->random = seed;
    w->now = 1000000000;
    w->max_pull = 65536;
    w->why = "";
    w->core = core_new(&(struct core_opts){
        .out = { .control = out_control, .ready = out_ready },
        .random = next_random,
        .random_arg = w,
        .piece_bytes = world_piece_bytes,
    });
    rn_assert(w->core != NULL);
    return w;
}

static void node_free(struct node *n)
{
    for (size_t i = 0; i < n->up.n; i++)
        message_free(n->up.at[i]);
    for (size_t i = 0; i < n->down.n; i++)
        message_free(n->down.at[i]);
    for (size_t i = 0; i < n->handles.n; i++) {
        struct handle *h = n->handles.at[i];
        assembly_drop(&h->coming);
        free(h->sends.at);
        free(h->store.at);
        free(h->got.at);
        free(h->hand.at);
        free(h);
    }
    free(n->up.at);
    free(n->down.at);
    free(n->handles.at);
    if (n->answer != NULL)
        message_free(n->answer);
    free(n);
}

void world_free(struct world *w)
{
    core_check(w->core);
    core_free(w->core);
    for (size_t i = 0; i < w->nodes.n; i++)
        node_free(w->nodes.at[i]);
    free(w->nodes.at);
    free(w->elements.at);
    free(w->cancelled.at);
    free(w->endings.at);
    free(w);
}

struct node *node_new(struct world *w, const char *name)
{
    struct node *n = calloc(1, sizeof *n);

    rn_assert(n != NULL);
    n->world = w;
    snprintf(n->name, sizeof n->name, "%s", name);
    n->next_bind = 1;
    n->session = core_session_new(w->core, name, (const uint8_t[16]){ 1 }, n);
    rn_assert(n->session != NULL);
    row_add(&w->nodes, n);
    return n;
}

static void node_gone(struct node *n, enum gone how)
{
    struct world *w = n->world;

    /* What was taken here and not reported may come again elsewhere. */
    for (size_t i = 0; i < n->handles.n; i++) {
        struct handle *h = n->handles.at[i];
        for (size_t k = 0; k < h->got.n; k++) {
            if (!w->elements.at[h->got.at[k].id].known_taken)
                w->elements.at[h->got.at[k].id].lost_report = true;
        }
    }
    if (how == GONE_GOODBYE)
        core_session_leave(w->core, n->session, w->now);
    else
        core_session_end(w->core, n->session, w->now);
    for (size_t i = 0; i < n->handles.n; i++)
        ending_gone(n->handles.at[i], how);
    n->session = NULL;
    core_check(w->core);
}

void node_end(struct node *n)
{
    node_gone(n, GONE_CRASHED);
}

void node_leave(struct node *n)
{
    node_gone(n, GONE_GOODBYE);
}

static struct handle *handle_new(struct node *n, const char *name, enum wire_direction d)
{
    struct handle *h = calloc(1, sizeof *h);

    rn_assert(h != NULL);
    h->node = n;
    h->number = n->next_bind++;
    h->direction = d;
    h->attributes.type = "";
    h->in_order = true;
    snprintf(h->name, sizeof h->name, "%s", name);
    row_add(&n->handles, h);
    return h;
}

static void say_bind(struct handle *h, const char *name, const struct wire_attributes *a,
                     uint32_t prefetch)
{
    struct wire_control c = { .what = WIRE_BIND, .bind = h->number };

    c.bind_.name = name;
    c.bind_.direction = h->direction;
    c.bind_.attributes = *a;
    c.bind_.prefetch = h->prefetch = prefetch;
    c.bind_.autoclose = h->autoclose;
    c.bind_.senders_min = h->senders_min;
    c.bind_.manual_ack = h->by_hand;
    c.bind_.reply = h->reply;
    say(h->node, &c);
}

struct handle *bind_with(struct node *n, const char *name, enum wire_direction d,
                         const struct wire_attributes *a, uint32_t prefetch)
{
    struct handle *h = handle_new(n, name, d);

    say_bind(h, name, a, prefetch);
    return h;
}

struct handle *bind_by_hand(struct node *n, const char *name, int64_t capacity, uint32_t prefetch)
{
    struct handle *h = handle_new(n, name, WIRE_IN);

    h->by_hand = true;
    say_bind(h, name, &(struct wire_attributes){ .capacity = capacity, .type = "" }, prefetch);
    return h;
}

struct handle *bind_closing(struct node *n, const char *name, const struct wire_attributes *a,
                            uint32_t senders_min)
{
    struct handle *h = handle_new(n, name, WIRE_OUT);

    h->autoclose = true;
    h->senders_min = senders_min;
    say_bind(h, name, a, 0);
    return h;
}

struct handle *bind_reply(struct node *n, const char *name, enum wire_direction d,
                          const struct wire_attributes *a)
{
    struct handle *h = handle_new(n, name, d);

    h->reply = true;
    say_bind(h, name, a, 0);
    return h;
}

struct handle *bind_in(struct node *n, const char *name, int64_t capacity)
{
    return bind_with(n, name, WIRE_IN,
                     &(struct wire_attributes){ .capacity = capacity, .type = "" }, 0);
}

struct handle *bind_out(struct node *n, const char *name, int64_t capacity)
{
    return bind_with(n, name, WIRE_OUT,
                     &(struct wire_attributes){ .capacity = capacity, .type = "" }, 0);
}

static void unbind(struct handle *h, bool abandoned)
{
    h->unbinding = true;
    h->sends.n = h->store.n = h->hand.n = 0;
    h->receives = 0;
    say(h->node, &(struct wire_control){ .what = WIRE_UNBIND,
                                         .bind = h->number,
                                         .unbind = { .abandoned = abandoned } });
}

void handle_unbind(struct handle *h)
{
    unbind(h, false);
}

void handle_abandon(struct handle *h)
{
    unbind(h, true);
}

void handle_close(struct handle *h, int32_t reason)
{
    h->failing = true;
    h->sends.n = 0;
    h->receives = 0;
    say(h->node, &(struct wire_control){
                     .what = WIRE_CLOSE, .bind = h->number, .recall = { .reason = reason } });
}

void sends(struct handle *h, uint32_t n, size_t size)
{
    sends_timed(h, n, size, 0, 0);
}

void sends_timed(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms, uint64_t ttl_ms)
{
    while (n-- > 0) {
        row_add(&h->sends, (struct send){ .id = h->node->world->elements.n,
                                          .size = size,
                                          .delay_ms = delay_ms,
                                          .ttl_ms = ttl_ms });
        row_add(&h->node->world->elements, (struct element){ 0 });
    }
    work(h);
}

void sends_together(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms, uint64_t together)
{
    for (; n > 0; n--) {
        row_add(&h->sends, (struct send){ .id = h->node->world->elements.n,
                                          .size = size,
                                          .delay_ms = delay_ms,
                                          .together = together });
        row_add(&h->node->world->elements, (struct element){ 0 });
    }
    work(h);
}

void receives(struct handle *h, uint32_t n)
{
    h->receives += n;
    work(h);
}

/* The i-th of what is in its hands gets its verdict. */
static struct wire_range settle_one(struct handle *h, enum wire_verdict verdict, size_t i)
{
    struct stored s = h->hand.at[i];

    memmove(h->hand.at + i, h->hand.at + i + 1, (--h->hand.n - i) * sizeof s);
    if (verdict == WIRE_DONE) {
        h->taken++;
        h->node->world->elements.at[s.id].taken++;
        row_add(&h->got, s);
    }
    return (struct wire_range){ s.number, 1 };
}

static void settle_some(struct handle *h, enum wire_verdict verdict, size_t i, size_t n,
                        uint64_t delay_ms, size_t skip)
{
    struct wire_range ranges[RANGES_MAX];
    uint32_t n_ranges = 0;

    for (; n > 0 && i < h->hand.n && n_ranges < RANGES_MAX; n--, i += skip) {
        struct wire_range one = settle_one(h, verdict, i);
        if (n_ranges > 0 && ranges[n_ranges - 1].first + ranges[n_ranges - 1].count == one.first)
            ranges[n_ranges - 1].count++;
        else
            ranges[n_ranges++] = one;
    }
    if (n_ranges > 0)
        say(h->node, &(struct wire_control){ .what = WIRE_SETTLE,
                                             .bind = h->number,
                                             .settle = { .why = "bad",
                                                         .verdict = verdict,
                                                         .ranges = ranges,
                                                         .n_ranges = n_ranges,
                                                         .delay_ms = delay_ms } });
}

void settles(struct handle *h, enum wire_verdict verdict, size_t i, size_t n, uint64_t delay_ms)
{
    settle_some(h, verdict, i, n, delay_ms, 0);
}

void settles_every_other(struct handle *h, enum wire_verdict verdict, size_t i, size_t n)
{
    settle_some(h, verdict, i, n, 0, 1);
}

void give_up(struct handle *h)
{
    h->sends.n = 0;
    h->receives = 0;
    h->ask_again = true;
    work(h);
}

uint64_t world_waiting(const struct world *w)
{
    uint64_t n = 0;

    for (size_t i = 0; i < w->nodes.n; i++) {
        const struct node *node = w->nodes.at[i];
        for (size_t k = 0; k < node->handles.n && node->session != NULL; k++) {
            const struct handle *h = node->handles.at[k];
            n += h->bound && !h->failing && !h->closed && !h->unbinding ? h->sends.n : 0;
        }
    }
    return n;
}

static bool was_cancelled(const struct world *w, uint64_t incarnation)
{
    for (size_t i = 0; i < w->cancelled.n; i++) {
        if (w->cancelled.at[i] == incarnation)
            return true;
    }
    return false;
}

const char *world_fault(const struct world *w)
{
    uint64_t lost = 0;
    bool reported = w->cancelled.n == 0 && !w->removals;

    for (size_t i = 0; i < w->elements.n; i++) {
        const struct element *e = &w->elements.at[i];
        if (e->taken > 0 && !e->accepted)
            return "an element was taken that was never accepted";
        lost += e->accepted && e->taken == 0 && e->until_ns == INT64_MAX &&
                !was_cancelled(w, e->incarnation);
        reported &= !e->lost_report && e->until_ns == INT64_MAX;
        if (e->taken > 1 && !e->lost_report)
            return "an element was taken twice although every session lived";
    }
    if (lost > w->purged)
        return "an element was accepted and never taken, nor purged";
    if (reported && lost < w->purged)
        return "more was purged than was lost by that";
    return NULL;
}
