/* harness.c - a core with model nodes around it.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include "broker/core/channel.h"
#include "runtime/assert.h"
#include "tests/core/message.h"
#include "tests/core/node.h"

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

static int out_control(void *owner, const struct wire_control *c)
{
    struct node *n = owner;

    if (c->what == WIRE_ANSWER)
        n->world->purged += c->answer.dropped;
    if (c->what == WIRE_FAILED_) {
        rn_assert(c->refused.code == WIRE_REMOVED);
        n->world->removals = node_handle(n, c->bind)->removed = true;
    }
    row_add(&n->down, message_new(c));
    return 0;
}

static void out_ready(void *owner)
{
    ((struct node *)owner)->ready = true;
}

void say(struct node *n, const struct wire_control *c)
{
    row_add(&n->up, message_new(c));
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
    if (w->fans && channel_awake(w->core, h->name)->fan.n_windows == 0)
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
    struct handle *h = node_handle(n, c->bind);

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
        struct handle *h = node_handle(n, m->bind);
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
        node_store(n, m);
    else
        node_hear(n, m);
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
            node_work(h);
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

/* ---- the world and its nodes ---------------------------------------------------------------------------------------- */

int64_t world_fold_ns;

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
        .fold_ns = world_fold_ns,
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
