/* memlink_faults.c - what goes wrong on the network in memory: breaks, partitions, deaths.   SPDX-License-Identifier: MIT */
#include "proto/link/memlink_inside.h"

#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

/* ---- breaks ---- */

static void net_break(struct memnet *net, const char *a, const char *b, enum loss loss)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = memlink_find(net, a);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next) {
        struct side *other = memlink_side_other(s);
        if (strcmp(other->name, b) != 0 || (s->in.cut && other->in.cut))
            continue;
        net->stats.breaks++;
        memlink_stale_keep(net, s);
        memlink_stale_keep(net, other);
        memlink_side_cut(net, s, loss);
        memlink_side_cut(net, other, loss);
    }
    pthread_mutex_unlock(&net->lock);
}

void memnet_break(struct memnet *net, const char *a, const char *b)
{
    net_break(net, a, b, LOSE_SOME);
}

void memnet_sever(struct memnet *net, const char *a, const char *b, bool lossy)
{
    net_break(net, a, b, lossy ? LOSE_ALL : LOSE_NOTHING);
}

void memnet_trap(struct memnet *net, const char *from, const char *to, uint64_t frames,
                 void (*fn)(void *arg), void *arg)
{
    struct trap t = { .frames = fn != NULL ? frames : 0, .fn = fn, .arg = arg };

    t.from = strdup(from);
    t.to = strdup(to);
    rn_assert(t.from != NULL);
    rn_assert(t.to != NULL);
    pthread_mutex_lock(&net->lock);
    free(net->trap.from);
    free(net->trap.to);
    net->trap = t;
    pthread_mutex_unlock(&net->lock);
}

void memnet_lose(struct memnet *net, const char *a, const char *b)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = memlink_find(net, b);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next) {
        if (strcmp(memlink_side_other(s)->name, a) != 0 || s->in.head == NULL)
            continue;
        frame_unref(memlink_lane_pop(&s->in));
        net->stats.lost++;
        break;
    }
    pthread_mutex_unlock(&net->lock);
}

static void partition_begin(struct memnet *net, const char *from, const char *to, bool lossy)
{
    struct partition *p = memlink_partition(net, from, to);

    if (p == NULL) {
        p = calloc(1, sizeof *p);
        rn_assert(p != NULL);
        p->from = strdup(from);
        p->to = strdup(to);
        rn_assert(p->from != NULL);
        rn_assert(p->to != NULL);
        p->next = net->partitions;
        net->partitions = p;
    }
    p->lossy = lossy;
}

static void partition_end(struct memnet *net, const char *from, const char *to)
{
    struct partition *p = memlink_partition(net, from, to), **at = &net->partitions;

    if (p == NULL)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p->from);
    free(p->to);
    free(p);
}

/* What a partition does to the frames that are under way to s: they are lost, or come anew when it ends. */
static void side_partitioned(struct memnet *net, struct side *s, bool on, bool lossy)
{
    if (on && lossy && s->in.n > 0) {
        memlink_lane_lose(net, &s->in, 0);
        s->in.cut = true;
    }
    if (on)
        return;
    for (struct parcel *p = s->in.head; p != NULL; p = p->next)
        p->due = s->in.due = memlink_later(s->in.due, rn_now() + memlink_delay(net));
    rn__note_set(&s->endpoint->note);
}

void memnet_partition(struct memnet *net, const char *a, const char *b, bool on, bool lossy)
{
    pthread_mutex_lock(&net->lock);
    if (on)
        partition_begin(net, a, b, lossy);
    else
        partition_end(net, a, b);
    struct endpoint *e = memlink_find(net, b);
    for (struct side *s = e == NULL ? NULL : e->sides; s != NULL; s = s->next)
        if (strcmp(memlink_side_other(s)->name, a) == 0)
            side_partitioned(net, s, on, lossy);
    pthread_mutex_unlock(&net->lock);
}

void memnet_freeze(struct memnet *net, const char *name, bool on)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = memlink_find(net, name);
    if (e != NULL) {
        e->frozen = on;
        rn__note_set(&e->note);
    }
    pthread_mutex_unlock(&net->lock);
}

void memnet_kill(struct memnet *net, const char *name)
{
    pthread_mutex_lock(&net->lock);
    struct endpoint *e = memlink_find(net, name);
    if (e != NULL && !e->killed) {
        e->killed = true;
        while (e->sides != NULL) {
            memlink_side_cut(net, memlink_side_other(e->sides), LOSE_SOME);
            memlink_side_detach(e->sides);
        }
        rn__note_set(&e->note);
    }
    pthread_mutex_unlock(&net->lock);
}
