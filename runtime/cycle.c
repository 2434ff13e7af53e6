/* cycle.c - see cycle.h.   SPDX-License-Identifier: MIT */
#include "runtime/cycle.h"

#include "runtime/deadlock.h"
#include "runtime/dump.h"
#include "runtime/owner.h"
#include "runtime/print.h"
#include "runtime/roster.h"
#include "runtime/sched.h"
#include "runtime/symbol.h"

static struct rn__seen *find(struct rn__roster *all, uint64_t id)
{
    const struct rn__seen *s = rn__roster_find(all, id);

    return s != NULL ? &all->seen[s - all->seen] : NULL;
}

static void print_goroutine(struct rn__print *p, struct rn__roster *all, uint64_t id)
{
    const struct rn__seen *s = find(all, id);

    rn__dump_who(p, id, s != NULL ? s->name : "", /* system= */ false);
}

static void print_place(struct rn__print *p, const struct rn__hold *h)
{
    char name[160];

    rn__print_text(p, " ");
    rn__print_time(p, rn_now() - h->since);
    rn__print_text(p, " ago at ");
    rn__symbol_name((const char *)h->pc - 1, name, sizeof name);
    rn__print_text(p, name);
    rn__print_text(p, "\n");
}

/* What `holder` has done to the lock that `want` waits for. */
static void print_arrow(struct rn__print *p, struct rn__roster *all, const struct rn__want *want)
{
    const struct rn__want *holder = rn__want_next(want);
    const struct rn__hold *h = holder->hold;

    print_goroutine(p, all, want->id);
    rn__print_text(p, " waits for ");
    rn__print_text(p, rn__why_text(want->why));
    rn__print_text(p, " ");
    rn__print_pointer(p, want->lock);
    if (h->as == RN__HOLDS_PENDING) {
        rn__print_text(p, ", for which before it ");
        print_goroutine(p, all, holder->id);
        rn__print_text(p, " waits, to write, since");
    } else {
        rn__print_text(p, ", which ");
        if (holder == want)
            rn__print_text(p, "it has itself");
        else
            print_goroutine(p, all, holder->id);
        rn__print_text(p, holder == want ? "" : " has");
        rn__print_text(p, want->why == RN__WHY_ONCE    ? " begun"
                          : h->as == RN__HOLDS_READING ? " locked for reading"
                                                       : " locked");
    }
    print_place(p, h);
}

/* Who has said that it waits, and may not have come to it yet. */
static void set_waiting(struct rn__roster *all, const struct rn__want *want)
{
    struct rn__seen *s = find(all, want->id);

    if (s == NULL || s->state == RN__G_WAITING)
        return;
    s->state = RN__G_WAITING;
    s->why = want->why;
    s->object = want->lock;
    s->since_ns = s->seen_ns;
    if (want->g == rn__self())
        rn__dump_own_frames(&s->frames);
}

static bool all_wait(const struct rn__roster *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->seen[i].state != RN__G_WAITING && !all->seen[i].system)
            return false;
    return true;
}

static const char *headline(const struct rn__want *last, bool whole)
{
    if (whole)
        return "fatal error: all goroutines are asleep - deadlock!\n\n";
    if (rn__want_next(last) == last)
        return "fatal error: a goroutine waits for itself - deadlock!\n\n";
    return "fatal error: goroutines wait for one another - deadlock!\n\n";
}

void rn__cycle_print(struct rn__want *last, int fd)
{
    struct rn__roster all = { 0 };
    const struct rn__want *want;
    struct rn__print p;
    bool whole;

    (void)rn__roster_take(&all); /* without memory, at least their numbers */
    want = last;
    do
        set_waiting(&all, want);
    while ((want = rn__want_next(want)) != last);
    whole = all.n > 0 && all_wait(&all) && !rn__deadlock_averted();
    rn__print_init(&p, fd);
    rn__print_text(&p, headline(last, whole));
    want = last;
    do
        print_arrow(&p, &all, want);
    while ((want = rn__want_next(want)) != last);
    rn__print_text(&p, "\n");
    for (size_t i = 0; whole && i < all.n; i++)
        rn__dump_seen(&p, &all.seen[i]);
    want = last;
    do
        if (!whole && find(&all, want->id) != NULL)
            rn__dump_seen(&p, find(&all, want->id));
    while ((want = rn__want_next(want)) != last);
    rn__print_flush(&p);
}
