/* owner.c - see owner.h.   SPDX-License-Identifier: MIT
 *
 * Who waits is a node; arrows lead to those who hold what it waits for: all of them must let go, so any arrow counts.  An arrow
 * of a wait that has been claimed counts no more: the lock has been given to it, or it will try again and, if it must, wait
 * anew.  The cycle is found by whoever closes it, because the one who waits last sees all the others: each has said what
 * it holds before it said what it waits for.
 *
 * A lock that is freed while it is locked leaves what was said about it behind, and its memory may become another lock: so
 * who holds it alone takes the place of whoever was said to hold it. */
#include "runtime/owner.h"

#include "runtime/deadlock.h"
#include "runtime/fiber.h"
#include "runtime/group.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_BITS 10
#define BUCKETS     (1u << BUCKET_BITS)
#define SHARED_MAX \
    4096 /* so many locks that others unlock are remembered; more, and nothing is watched any more */

#define THREAD UINT64_C(0) /* the id of all plain threads */
#define SHARED UINT64_MAX  /* holds nothing: says that others than its holder unlock this lock */

static struct {
    struct rn__lock lock;            /* guards all */
    struct rn__hold *holds[BUCKETS]; /* by lock */
    struct rn__want *wants[BUCKETS]; /* by goroutine */
    struct rn__hold *spare;
    unsigned shared;
    uint64_t search;
} owners;

_Atomic bool rn__owners_on;
void (*rn__owners_found)(struct rn__want *last) = rn__deadlock_cycle;

/* ---- who holds what; the lock is held ------------------------------------------------------------------ */

static struct rn__hold **bucket_of(const void *lock)
{
    return &owners
                .holds[((uintptr_t)lock >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BUCKET_BITS)];
}

static uint64_t self_id(void)
{
    struct rn__g *g = rn__self();

    return g != NULL ? g->id : THREAD;
}

static struct rn__hold **find_hold(const void *lock, enum rn__holds as, uint64_t id)
{
    struct rn__hold **at = bucket_of(lock);

    while (*at != NULL && ((*at)->lock != lock || (*at)->as != as || (*at)->id != id))
        at = &(*at)->next;
    return at;
}

static void drop(struct rn__hold **at)
{
    struct rn__hold *h = *at;

    *at = h->next;
    h->next = owners.spare;
    owners.spare = h;
}

/* All of them, or only one kind. */
static void drop_all(const void *lock, bool alone_only)
{
    for (struct rn__hold **at = bucket_of(lock); *at != NULL;)
        if ((*at)->lock == lock && (!alone_only || (*at)->as == RN__HOLDS_ALONE))
            drop(at);
        else
            at = &(*at)->next;
}

/* Without memory it is not written down, and found later to have been unlocked by another. */
static void add(const void *lock, enum rn__holds as, uint64_t id, const void *pc)
{
    struct rn__hold *h = owners.spare, **at = bucket_of(lock);

    if (h != NULL)
        owners.spare = h->next;
    else if ((h = malloc(sizeof *h)) == NULL)
        return;
    *h = (struct rn__hold){ *at, lock, as, id, 1, rn_now(), pc };
    *at = h;
}

static bool is_shared(const void *lock)
{
    return *find_hold(lock, RN__HOLDS_ALONE, SHARED) != NULL;
}

void rn__owner_take(const void *lock, enum rn__holds as, const void *pc)
{
    uint64_t id = self_id();
    struct rn__hold *h;

    rn__lock(&owners.lock);
    if (!is_shared(lock) && owners.shared < SHARED_MAX) {
        h = as == RN__HOLDS_READING ? *find_hold(lock, as, id) : NULL;
        if (as != RN__HOLDS_PENDING)
            drop_all(lock, /* alone_only= */ as == RN__HOLDS_READING);
        if (h != NULL)
            h->count++;
        else
            add(lock, as, id, pc);
    }
    rn__unlock(&owners.lock);
}

void rn__owner_give(const void *lock, enum rn__holds as)
{
    uint64_t id = self_id();
    struct rn__hold **at;

    rn__lock(&owners.lock);
    at = find_hold(lock, as, id);
    if (*at != NULL) {
        if (--(*at)->count == 0)
            drop(at);
    } else if (!is_shared(lock) && owners.shared < SHARED_MAX) {
        drop_all(lock, /* alone_only= */ false);
        add(lock, RN__HOLDS_ALONE, SHARED, NULL);
        owners.shared++;
    }
    rn__unlock(&owners.lock);
}

/* ---- who waits; the lock is held --------------------------------------------------------------------------- */

static struct rn__want **want_bucket(uint64_t id)
{
    return &owners.wants[id % BUCKETS];
}

static struct rn__want *find_want(uint64_t id)
{
    struct rn__want *w = *want_bucket(id);

    while (w != NULL && w->id != id)
        w = w->next;
    return w;
}

static bool still_waits(const struct rn__want *w)
{
    return (atomic_load(&w->wait->claim) & RN__STATE) == RN__OPEN;
}

/* Does w wait for who holds it thus? */
static bool waits_for(const struct rn__want *w, const struct rn__hold *h)
{
    if (h->lock != w->lock || h->id == THREAD || h->id == SHARED)
        return false;
    if (h->as == RN__HOLDS_PENDING)
        return h->id != w->id;
    return h->as == RN__HOLDS_ALONE || w->as == RN__HOLDS_ALONE;
}

/* Follows the arrows, nearest first, until one leads back.  The one before the last, or NULL: none does. */
static struct rn__want *search(struct rn__want *last)
{
    struct rn__want *at = last, *end = last, *next;

    last->search = ++owners.search;
    last->found = NULL;
    for (; at != NULL; at = at->found)
        for (const struct rn__hold *h = *bucket_of(at->lock); h != NULL; h = h->next) {
            if (!waits_for(at, h))
                continue;
            if (h->id == last->id) {
                last->from = at;
                last->hold = h;
                return at;
            }
            next = find_want(h->id);
            if (next == NULL || next->search == owners.search || !still_waits(next))
                continue;
            next->search = owners.search;
            next->from = at;
            next->hold = h;
            next->found = NULL;
            end->found = next;
            end = next;
        }
    return NULL;
}

/* The way back becomes the way there: `found` is who holds what it waits for. */
static void link_cycle(struct rn__want *last)
{
    struct rn__want *holder = last;

    do {
        holder->from->found = holder;
        holder = holder->from;
    } while (holder != last);
}

struct rn__want *rn__want_next(const struct rn__want *want)
{
    return want->found;
}

void rn__want_begin(struct rn__want *want, struct rn__wait *wait, const void *lock,
                    enum rn__holds as, enum rn__why why)
{
    want->in = rn__owners_watch() && wait->g != NULL;
    if (!want->in)
        return;
    want->wait = wait;
    want->lock = lock;
    want->as = as;
    want->why = why;
    want->g = wait->g;
    want->id = wait->g->id;
    rn__lock(&owners.lock);
    want->next = *want_bucket(want->id);
    *want_bucket(want->id) = want;
    if (still_waits(want) && search(want) != NULL) {
        link_cycle(want);
        rn__owners_found(want);
    }
    rn__unlock(&owners.lock);
}

void rn__want_end(struct rn__want *want)
{
    struct rn__want **at;

    if (!want->in)
        return;
    at = want_bucket(want->id);
    rn__lock(&owners.lock);
    while (*at != want)
        at = &(*at)->next;
    *at = want->next;
    rn__unlock(&owners.lock);
}

/* ---- beginning and end ------------------------------------------------------------------------------------- */

static bool wanted(bool simulates)
{
    const char *text = getenv("RN_CYCLES");

    if (text != NULL && strcmp(text, "0") == 0)
        return false;
#if defined(RN_SLOW_CHECKS) && !defined(RN__TSAN)
    (void)simulates;
    return true;
#else
    return simulates;
#endif
}

void rn__owners_begin(bool simulates)
{
    atomic_store(&rn__owners_on, wanted(simulates));
}

void rn__owners_end(void)
{
    struct rn__hold *next;

    atomic_store(&rn__owners_on, false);
    rn__lock(&owners.lock); /* for plain threads that lock and unlock on */
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (owners.holds[i] != NULL)
            drop(&owners.holds[i]);
        owners.wants[i] = NULL;
    }
    for (; owners.spare != NULL; owners.spare = next) {
        next = owners.spare->next;
        free(owners.spare);
    }
    owners.shared = 0;
    rn__unlock(&owners.lock);
}
