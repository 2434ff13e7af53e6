/* listeners.c - see listeners.h.   SPDX-License-Identifier: MIT
 *
 * Elements and handles are told apart by when they came to be known, on a clock that counts such events: what is sent after a
 * handle was bound is for it; what was under way then may have been accepted before or after. */
#include "tests/sim/listeners.h"

#include "runtime/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sent {
    uint64_t incarnation, tried;
    bool refused, gave_0; /* gave_0: and it does not expire */
    uint32_t next;        /* what came to a gapless listener behind it, + 1; 0: not known */
};

/* How an element is with a listener. */
struct mine {
    uint32_t nacks;
    enum { NOT_HERE, HELD, DONE, DEAD } state;
};

struct listener {
    bool known;
    uint64_t incarnation, joined, lost;
    int64_t closed_ns;
    uint64_t behind; /* by so many that were sent since it is here, and neither came nor died */
    int calls;
    bool left;
    enum rn_slow slow;
    bool ordered, closed, cut, ended;
    uint32_t *got;
    size_t n, cap;
    struct mine *mine; /* by element */
    size_t n_mine;
};

struct listeners {
    uint64_t clock;
    bool refusals;
    char suspicion[120];
    struct sent *sent; /* by element; incarnation 0: of no fanout */
    size_t n_sent;
    struct listener *of; /* by handle */
    size_t n;
};

static void *grown(void *data, size_t *n, size_t least, size_t size)
{
    size_t now = *n;

    if (least <= now)
        return data;
    *n = least * 2;
    data = realloc(data, *n * size);
    if (data == NULL)
        abort();
    memset((char *)data + now * size, 0, (*n - now) * size);
    return data;
}

struct listeners *listeners_new(bool refusals)
{
    struct listeners *l = calloc(1, sizeof *l);

    if (l == NULL)
        abort();
    l->refusals = refusals;
    return l;
}

void listeners_free(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->of[i].got), free(l->of[i].mine);
    free(l->of);
    free(l->sent);
    free(l);
}

void listeners_tried(struct listeners *l, uint32_t element, uint64_t incarnation)
{
    l->sent = grown(l->sent, &l->n_sent, element + 1, sizeof *l->sent);
    l->sent[element] = (struct sent){ .incarnation = incarnation, .tried = ++l->clock };
}

void listeners_refused(struct listeners *l, uint32_t element)
{
    if (element < l->n_sent)
        l->sent[element].refused = true;
}

void listeners_joined(struct listeners *l, uint32_t handle, uint64_t incarnation, enum rn_slow slow,
                      bool ordered)
{
    l->of = grown(l->of, &l->n, handle + 1, sizeof *l->of);
    l->of[handle] = (struct listener){ .known = true,
                                       .incarnation = incarnation,
                                       .slow = slow,
                                       .ordered = ordered,
                                       .joined = ++l->clock };
}

static struct mine *mine_of(struct listeners *l, uint32_t handle, uint32_t element)
{
    struct listener *one = &l->of[handle];

    one->mine = grown(one->mine, &one->n_mine, element + 1, sizeof *one->mine);
    return &one->mine[element];
}

void listeners_sent(struct listeners *l, uint32_t element, uint64_t capacity, bool expires)
{
    struct sent *s = &l->sent[element];

    if (expires)
        return; /* nobody knows who has done with it */
    s->gave_0 = true;
    for (uint32_t i = 0; i < l->n; i++) {
        struct listener *one = &l->of[i];
        if (!one->known || one->left || one->slow != RN_SLOW_BLOCK ||
            one->incarnation != s->incarnation || one->joined > s->tried)
            continue;
        one->behind += mine_of(l, i, element)->state < DONE;
        if (one->behind > capacity + (uint64_t)one->calls && l->suspicion[0] == '\0')
            snprintf(l->suspicion, sizeof l->suspicion,
                     "handle %u of a fanout is %llu elements behind, and its capacity is %llu", i,
                     (unsigned long long)one->behind, (unsigned long long)capacity);
    }
}

/* It has come, or has died. */
static void is_over(struct listeners *l, uint32_t handle, uint32_t element, int state)
{
    const struct sent *s = &l->sent[element];
    struct listener *one = &l->of[handle];

    if (s->gave_0 && one->joined < s->tried && one->slow == RN_SLOW_BLOCK && one->behind > 0)
        one->behind--;
    mine_of(l, handle, element)->state = state;
}

void listeners_calls(struct listeners *l, uint32_t handle, int change)
{
    l->of[handle].calls += change;
}

void listeners_leaves(struct listeners *l, uint32_t handle)
{
    l->of[handle].left = true;
}

void listeners_received(struct listeners *l, uint32_t handle, uint32_t element)
{
    struct listener *one = &l->of[handle];

    if (one->n == one->cap) {
        one->cap = one->cap * 2 + 64;
        one->got = realloc(one->got, one->cap * sizeof *one->got);
        if (one->got == NULL)
            abort();
    }
    one->got[one->n++] = element;
    is_over(l, handle, element, DONE);
}

void listeners_delivered(struct listeners *l, uint32_t handle, uint32_t element,
                         uint32_t deliveries)
{
    struct mine *m = mine_of(l, handle, element);

    if (m->state != NOT_HERE)
        sim_fail("element %u of a fanout came to handle %u, which had it, or was done with it",
                 element, handle);
    if (deliveries != m->nacks + 1)
        sim_fail("element %u of a fanout has come %u times to handle %u, and was nacked %u times",
                 element, deliveries, handle, m->nacks);
    m->state = HELD;
}

void listeners_acknowledged(struct listeners *l, uint32_t handle, uint32_t element)
{
    listeners_received(l, handle, element);
}

void listeners_again(struct listeners *l, uint32_t handle, uint32_t element, bool once_too_often)
{
    struct mine *m = mine_of(l, handle, element);

    m->nacks++;
    m->state = NOT_HERE;
    if (once_too_often)
        is_over(l, handle, element, DEAD);
}

void listeners_rejected(struct listeners *l, uint32_t handle, uint32_t element)
{
    is_over(l, handle, element, DEAD);
}

static bool has_come(const struct listener *one, uint32_t element)
{
    return element < one->n_mine && one->mine[element].state == DONE;
}

static bool died_here(const struct listener *one, uint32_t element)
{
    return element < one->n_mine && one->mine[element].state == DEAD;
}

void listeners_closed(struct listeners *l, uint32_t handle)
{
    l->of[handle].closed = true;
    l->of[handle].closed_ns = rn__boottime();
}

void listeners_cut(struct listeners *l, uint32_t handle)
{
    l->of[handle].cut = true;
}

void listeners_lost(struct listeners *l, uint32_t handle, uint64_t lost)
{
    l->of[handle].lost = lost;
}

void listeners_ended(struct listeners *l, uint32_t handle)
{
    if (handle < l->n)
        l->of[handle].ended = true;
}

/* Each at most once, and of its channel. */
static void check_once(const struct listeners *l, uint32_t handle, uint32_t *seen)
{
    const struct listener *one = &l->of[handle];

    for (size_t i = 0; i < one->n; i++) {
        uint32_t e = one->got[i];
        if (seen[e] == handle + 1)
            sim_fail("element %u came twice to handle %u of a fanout", e, handle);
        seen[e] = handle + 1;
        if (l->sent[e].incarnation != one->incarnation)
            sim_fail("element %u came to handle %u out of another incarnation", e, handle);
    }
}

/* What came behind an element to one, comes behind it to all that miss nothing: so there are no gaps, and one order. */
static void check_gapless(const struct listeners *l, uint32_t handle)
{
    const struct listener *one = &l->of[handle];

    for (size_t i = 1; i < one->n; i++) {
        struct sent *before = &l->sent[one->got[i - 1]];
        if (before->next != 0 && before->next != one->got[i] + 1)
            sim_fail("behind element %u of a fanout came %u to handle %u, and %u to another",
                     one->got[i - 1], one->got[i], handle, before->next - 1);
        before->next = one->got[i] + 1;
    }
}

/* All that was sent after it was bound, but for what it was told of, and for what has expired: that was too late before the end. */
static void check_complete(const struct listeners *l, uint32_t handle, const uint32_t *seen,
                           const struct oracle *oracle)
{
    const struct listener *one = &l->of[handle];
    uint64_t surely = 0, perhaps = 0;

    for (uint32_t e = 0; e < l->n_sent; e++) {
        const struct sent *s = &l->sent[e];
        if (s->incarnation != one->incarnation || seen[e] == handle + 1)
            continue;
        perhaps++;
        surely += s->tried > one->joined && !s->refused && !died_here(one, e) &&
                  oracle_is_sent(oracle, e) && !oracle_had_time(oracle, e, one->closed_ns);
    }
    if (surely > one->lost)
        sim_fail("%llu elements of a fanout did not come to handle %u, which was told of %llu",
                 (unsigned long long)surely, handle, (unsigned long long)one->lost);
    if (one->lost > perhaps)
        sim_fail("handle %u was told that it has lost %llu elements, and only %llu did not come",
                 handle, (unsigned long long)one->lost, (unsigned long long)perhaps);
}

/* How much has expired, as the home counts it: for each window that was not closed for another reason.  Surely what did not come to
 * who has seen the end and has lost nothing; at most what did not come, and what was due and nobody was there for it. */
static void count_expired(const struct listeners *l, struct oracle *oracle)
{
    uint64_t least = 0, most = 0;

    for (uint32_t e = 0; e < l->n_sent; e++) {
        if (l->sent[e].incarnation == 0 || !oracle_expires(oracle, e))
            continue;
        most++;
        for (uint32_t i = 0; i < l->n; i++) {
            const struct listener *one = &l->of[i];
            if (!one->known || one->incarnation != l->sent[e].incarnation || has_come(one, e))
                continue;
            most++;
            least += one->closed && !one->cut && !one->ended && one->lost == 0 &&
                     l->sent[e].tried > one->joined && !l->sent[e].refused && !died_here(one, e) &&
                     oracle_is_sent(oracle, e);
        }
    }
    oracle_expired_in_fanouts(oracle, least, most);
}

/* ---- one order, also where something is lost: no circle of what came before what ---- */

struct edges {
    uint32_t *to, *next, *first; /* lists by element */
    uint32_t n;
    uint32_t *behind; /* how many edges lead to it */
};

static void add_edges(const struct listener *one, struct edges *g)
{
    for (size_t i = 1; one->ordered && i < one->n; i++) {
        g->to[++g->n] = one->got[i];
        g->next[g->n] = g->first[one->got[i - 1]];
        g->first[one->got[i - 1]] = g->n;
        g->behind[one->got[i]]++;
    }
}

static void check_one_order(const struct listeners *l)
{
    size_t n = l->n_sent, most = 1, done = 0, ready = 0;
    uint32_t *queue = calloc(n + 1, sizeof *queue);
    struct edges g = { 0 };

    for (size_t i = 0; i < l->n; i++)
        most += l->of[i].n;
    g.to = calloc(most, sizeof *g.to);
    g.next = calloc(most, sizeof *g.next);
    g.first = calloc(n + 1, sizeof *g.first);
    g.behind = calloc(n + 1, sizeof *g.behind);
    if (queue == NULL || g.to == NULL || g.next == NULL || g.first == NULL || g.behind == NULL)
        abort();
    for (size_t i = 0; i < l->n; i++)
        add_edges(&l->of[i], &g);
    for (uint32_t e = 0; e < n; e++)
        if (g.behind[e] == 0)
            queue[ready++] = e;
    for (; done < ready; done++)
        for (uint32_t at = g.first[queue[done]]; at != 0; at = g.next[at])
            if (--g.behind[g.to[at]] == 0)
                queue[ready++] = g.to[at];
    if (done < n)
        sim_fail("the listeners of a fanout do not agree on the order of %zu elements", n - done);
    free(queue);
    free(g.to);
    free(g.next);
    free(g.first);
    free(g.behind);
}

/* Something of that incarnation may have expired. */
static bool may_have_gaps(const struct listeners *l, uint64_t incarnation,
                          const struct oracle *oracle)
{
    for (uint32_t e = 0; e < l->n_sent; e++)
        if (l->sent[e].incarnation == incarnation && oracle_expires(oracle, e))
            return true;
    return false;
}

void listeners_finish(const struct listeners *l, struct oracle *oracle)
{
    uint32_t *seen = calloc(l->n_sent + 1, sizeof *seen);

    if (seen == NULL)
        abort();
    for (uint32_t i = 0; i < l->n; i++) {
        const struct listener *one = &l->of[i];
        if (!one->known)
            continue;
        check_once(l, i, seen);
        if (one->lost > 0 && one->slow == RN_SLOW_BLOCK)
            sim_fail("handle %u has lost something, though senders wait for it", i);
        if (one->ordered && one->slow != RN_SLOW_DROP_OLDEST && !l->refusals &&
            !may_have_gaps(l, one->incarnation, oracle))
            check_gapless(l, i);
        if (one->closed && !one->cut && !one->ended)
            check_complete(l, i, seen, oracle);
        if (one->closed && !one->cut && one->lost > 0 && one->slow == RN_SLOW_CUT)
            sim_fail("handle %u has lost something, and was not cut off for it", i);
        if (one->cut && (one->slow != RN_SLOW_CUT || one->lost == 0))
            sim_fail("handle %u was cut off, though it was not too slow", i);
    }
    check_one_order(l);
    count_expired(l, oracle);
    if (l->suspicion[0] != '\0' && !l->refusals && oracle_sessions_ended(oracle) == 0)
        sim_fail("%s", l->suspicion);
    free(seen);
}
