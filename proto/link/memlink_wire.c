/* memlink_wire.c - what lies between two endpoints of the network in memory.   SPDX-License-Identifier: MIT
 *
 * Chance, lanes, connections, and what a break has lost that comes again; see memlink_inside.h. */
#include "proto/link/memlink_inside.h"

#include "runtime/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- chance -------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t net_random(struct memnet *net)
{
    uint64_t z = net->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t net_below(struct memnet *net, uint64_t n)
{
    return net_random(net) % n;
}

bool memlink_chance(struct memnet *net, unsigned percent)
{
    return net_below(net, 100) < percent;
}

rn_time memlink_delay(struct memnet *net)
{
    int64_t span = net->opts.delay_max_ns - net->opts.delay_min_ns;

    return net->opts.delay_min_ns + (span > 0 ? (int64_t)net_below(net, (uint64_t)span + 1) : 0);
}

/* ---- lanes --------------------------------------------------------------------------------- */

int memlink_lane_push(struct lane *l, struct frame *f, rn_time due)
{
    struct parcel *p = malloc(sizeof *p);

    if (p == NULL)
        return -ENOMEM;
    *p = (struct parcel){ .frame = frame_ref(f), .due = due };
    l->due = due;
    if (l->tail == NULL)
        l->head = p;
    else
        l->tail->next = p;
    l->tail = p;
    l->n++;
    return 0;
}

struct frame *memlink_lane_pop(struct lane *l)
{
    struct parcel *p = l->head;
    struct frame *f = p->frame;

    l->head = p->next;
    if (l->head == NULL)
        l->tail = NULL;
    l->n--;
    free(p);
    return f;
}

void memlink_lane_lose(struct memnet *net, struct lane *l, size_t keep)
{
    struct lane kept = { 0 };

    for (; l->head != NULL && kept.n < keep; kept.n++) {
        struct parcel *p = l->head;
        l->head = p->next;
        p->next = NULL;
        if (kept.tail == NULL)
            kept.head = p;
        else
            kept.tail->next = p;
        kept.tail = p;
    }
    while (l->head != NULL) {
        frame_unref(memlink_lane_pop(l));
        net->stats.lost++;
    }
    l->head = kept.head;
    l->tail = kept.tail;
    l->n = kept.n;
}

void memlink_side_cut(struct memnet *net, struct side *s, enum loss loss)
{
    struct lane *l = &s->in;

    if (loss != LOSE_NOTHING)
        memlink_lane_lose(net, l, loss == LOSE_ALL ? 0 : (size_t)net_below(net, l->n + 1));
    l->cut = true;
    if (s->endpoint != NULL && !l->told &&
        (loss != LOSE_SOME || memlink_chance(net, TOLD_PERCENT))) {
        l->told = true;
        l->down_due = memlink_later(l->due, rn_now() + memlink_delay(net));
    }
    if (s->endpoint != NULL)
        rn__note_set(&s->endpoint->note);
}

/* ---- connections --------------------------------------------------------------------------- */

static void pending_remove(struct connection *c, struct memnet *net)
{
    struct connection **at = &net->pending;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->pending = false;
}

static void connection_free(struct memnet *net, struct connection *c)
{
    for (int i = 0; i < 2; i++) {
        memlink_lane_lose(net, &c->side[i].in, 0);
        free(c->side[i].name);
    }
    free(c);
}

void memlink_side_attach(struct side *s, struct endpoint *e)
{
    struct side **at = &e->sides;

    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
    s->next = NULL;
    s->endpoint = e;
    s->peer = ++e->net->last_peer;
}

void memlink_side_detach(struct side *s)
{
    struct endpoint *e = s->endpoint;
    struct connection *c = s->connection;
    struct side **at = &e->sides;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->endpoint = NULL;
    s->in.cut = true;
    memlink_lane_lose(e->net, &s->in, 0);
    if (c->pending)
        pending_remove(c, e->net);
    if (memlink_side_other(s)->endpoint == NULL)
        connection_free(e->net, c);
}

struct endpoint *memlink_find(struct memnet *net, const char *name)
{
    struct endpoint *e = net->endpoints;

    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->next;
    return e;
}

struct partition *memlink_partition(struct memnet *net, const char *from, const char *to)
{
    struct partition *p = net->partitions;

    while (p != NULL && (strcmp(p->from, from) != 0 || strcmp(p->to, to) != 0))
        p = p->next;
    return p;
}

struct partition *memlink_side_partition(struct memnet *net, struct side *s)
{
    return net->partitions == NULL ? NULL
                                   : memlink_partition(net, memlink_side_other(s)->name, s->name);
}

struct connection *memlink_connection_new(const char *from, const char *to)
{
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    for (int i = 0; i < 2; i++) {
        c->side[i].connection = c;
        c->side[i].name = strdup(i == 0 ? from : to);
    }
    if (c->side[0].name != NULL && c->side[1].name != NULL)
        return c;
    free(c->side[0].name);
    free(c->side[1].name);
    free(c);
    return NULL;
}

/* ---- what comes again after a break -------------------------------------------------------- */

static struct stale *stale_find(struct memnet *net, const struct side *from, const struct side *to)
{
    struct stale *s = net->stale;

    while (s != NULL && (strcmp(s->from, from->name) != 0 || strcmp(s->to, to->name) != 0))
        s = s->next;
    return s;
}

static struct stale *stale_new(struct memnet *net, const struct side *from, const struct side *to)
{
    struct stale *s = calloc(1, sizeof *s);

    rn_assert(s != NULL);
    s->from = strdup(from->name);
    s->to = strdup(to->name);
    rn_assert(s->from != NULL);
    rn_assert(s->to != NULL);
    s->next = net->stale;
    net->stale = s;
    return s;
}

static bool greets(const struct frame *f)
{
    struct frame_view view;
    const char *why;
    bool yes = true;

    if (frame_read(&view, f->data, f->len, &why) < 0)
        return yes;
    yes = view.hello != NULL || view.welcome != NULL || view.refusal != NULL;
    frame_view_fini(&view);
    return yes;
}

void memlink_stale_keep(struct memnet *net, struct side *s)
{
    struct stale *kept = stale_find(net, memlink_side_other(s), s);

    if (net->opts.again_percent == 0 || !memlink_chance(net, net->opts.again_percent))
        return;
    if (kept == NULL)
        kept = stale_new(net, memlink_side_other(s), s);
    memlink_lane_lose(net, &kept->frames, 0);
    for (struct parcel *p = s->in.head; p != NULL; p = p->next)
        if (!greets(p->frame))
            rn_assert(memlink_lane_push(&kept->frames, p->frame, 0) == 0);
}

void memlink_stale_come(struct memnet *net, struct side *s)
{
    struct stale *kept = stale_find(net, memlink_side_other(s), s);

    while (kept != NULL && kept->frames.head != NULL) {
        struct frame *f = memlink_lane_pop(&kept->frames);

        rn_assert(memlink_lane_push(&s->in, f,
                                    memlink_later(s->in.due, rn_now() + memlink_delay(net))) == 0);
        frame_unref(f);
        net->stats.again++;
    }
}

void memlink_stale_free_all(struct memnet *net)
{
    while (net->stale != NULL) {
        struct stale *s = net->stale;

        net->stale = s->next;
        memlink_lane_lose(net, &s->frames, 0);
        free(s->from);
        free(s->to);
        free(s);
    }
}
