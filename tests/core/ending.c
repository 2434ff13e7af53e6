/* ending.c - see ending.h.   SPDX-License-Identifier: MIT */
#include "tests/core/ending.h"

#include "runtime/assert.h"
#include "tests/core/harness.h"

#define RN_ESESSION (-4116) /* as runnel.h has it: what receivers of a failed channel are told */
#define RN_EPIPE    (-32) /* what those are told who have bound a reply channel whose maker has gone */

static struct ending *ending_of(const struct handle *h)
{
    struct world *w = h->node->world;

    for (size_t i = w->endings.n; i-- > 0;) {
        if (w->endings.at[i].incarnation == h->home_incarnation)
            return &w->endings.at[i];
    }
    row_add(&w->endings, (struct ending){ .incarnation = h->home_incarnation });
    return &w->endings.at[w->endings.n - 1];
}

static void end(struct ending *e, enum wire_code code, int32_t reason)
{
    if (e->closed)
        return;
    e->closed = true;
    e->code = code;
    e->reason = reason;
}

void ending_bound(struct handle *h)
{
    if (h->autoclose)
        ending_of(h)->present++;
}

/* Who has made a reply channel has gone. */
static void maker_gone(struct handle *h, enum gone how)
{
    struct ending *e = ending_of(h);

    h->reply = false;
    if (e->closed && e->code == WIRE_CLOSED && h->direction == WIRE_OUT &&
        (how == GONE_UNBOUND || how == GONE_GOODBYE))
        return;
    e->cancelled = true;
    e->cancel_reason = RN_EPIPE;
    end(e, WIRE_CANCELLED, RN_EPIPE);
    row_add(&h->node->world->cancelled, h->home_incarnation);
}

void ending_gone(struct handle *h, enum gone how)
{
    if (h->reply && h->home_incarnation != 0)
        maker_gone(h, how);
    if (!h->autoclose || h->home_incarnation == 0)
        return;
    struct ending *e = ending_of(h);
    e->present--;
    h->autoclose = false;
    if (how != GONE_ABANDONED || h->arrived > 0) {
        e->least = h->senders_min > e->least ? h->senders_min : e->least;
        e->crashed |= how == GONE_CRASHED;
        e->parted += how != GONE_CRASHED;
    }
    if (e->present > 0 || (e->parted == 0 && !e->crashed))
        return;
    if (e->least >= 2 && e->parted < e->least)
        return;
    end(e, e->crashed ? WIRE_FAILED : WIRE_CLOSED, e->crashed ? RN_ESESSION : 0);
}

void ending_by_hand(struct handle *h, int32_t reason)
{
    struct ending *e = ending_of(h);

    if (h->direction == WIRE_IN && reason < 0) {
        e->cancelled = true;
        e->cancel_reason = reason;
        end(e, WIRE_CANCELLED, reason);
    } else {
        end(e, reason == 0 ? WIRE_CLOSED : WIRE_FAILED, reason);
    }
}

void ending_expect(const struct handle *h, enum wire_code code, int32_t reason)
{
    const struct ending *e = ending_of(h);

    rn_assert(e->closed);
    if (e->cancelled && code == WIRE_CANCELLED) {
        rn_assert(reason == e->cancel_reason);
        return;
    }
    rn_assert(code == e->code);
    rn_assert(reason == e->reason);
}

bool ending_is_closed(const struct handle *h)
{
    return ending_of(h)->closed;
}
