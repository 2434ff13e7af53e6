/* check.c - what must be true of a handle whenever its lock is free, walked; for test builds.
 *   SPDX-License-Identifier: MIT */
#include "node/op.h"

#include "runtime/assert.h"

/* Everything that was numbered is accepted, under way, or in a chunk, and in order. */
static void check_outbox(const struct outbox *o)
{
    uint64_t next = o->departed + 1;

    rn_assert(o->accepted <= o->departed);
    for (const struct chunk *c = o->head; c != NULL; c = c->next) {
        rn_assert(c->count > 0);
        rn_assert(c->large ? c->count == 1 && c->len == c->bytes : c->len <= c->cap);
        rn_assert(c->bytes <= c->len);
        rn_assert(c->first == next);
        rn_assert((c->manner.flags & ~(WIRE_MANNER | WIRE_TIMED)) == 0);
        rn_assert(c->next != NULL || c == o->tail);
        next += c->count;
    }
    rn_assert(next == o->numbered + 1);
    rn_assert((o->head == NULL) == (o->tail == NULL));
    rn_assert(o->sent == 0 || (o->head->large && o->sent < o->head->len));
}

/* Who waits for a verdict waits for one that is still to come, in order; and those that count as not sent do wait. */
static void check_verdicts(const struct handle *h)
{
    uint64_t last = h->out.accepted, counted = 0;
    struct parcel *p;

    TAILQ_FOREACH(p, &h->verdicts, link)
    {
        rn_assert(p->number >= last);
        rn_assert(p->number <= h->out.numbered);
        rn_assert(p->number > h->out.accepted);
        rn_assert(p->waiting != p->orphan);
        last = p->number;
        counted += p->counted;
    }
    rn_assert(counted == h->excluded);
}

static void check_ledger(const struct handle *h)
{
    struct wire_counts c;

    handle_counts(h, &c);
    rn_assert(c.sent == c.confirmed + c.queued + c.unknown);
    rn_assert(h->excluded <= h->out.numbered - h->out.accepted);
}

static void check_store(const struct handle *h)
{
    const struct store *s = &h->in;
    uint64_t len = 0, newest = 0;

    for (uint32_t i = 0; i < s->parts; i++) {
        const struct store_part *part = &s->ring[(s->head + i) & (s->cap - 1)];

        rn_assert(part->left > 0);
        rn_assert(part->next > newest);
        newest = part->next + part->left - 1;
        len += part->left;
    }
    rn_assert(len == s->len);
    rn_assert(newest <= s->newest);
    rn_assert(h->finished <= h->popped);
    rn_assert(h->taken_reported <= h->taken);
}

/* May it wait in a handle that has failed?  If it is tentative elsewhere: it has been knocked on, and ends by that. */
static bool check_stays(const struct rn__op *op)
{
    return (atomic_load(&op->wait->claim) & RN__STATE) != RN__OPEN;
}

/* Side and queue agree about who waits: all but those that are tentative here and those that another case stands for. */
static void check_waiting(const struct handle *h, enum rn_dir dir)
{
    const struct side *side = &h->side[dir];
    uint32_t waiting = 0, muted = 0;

    for (const struct rn__op *op = rn__chan_first(h->chan, op_of_dir(dir)); op != NULL;
         op = op->next) {
        const struct parcel *p = op_parcel(op);
        rn_assert(p->op == NULL || p->op == op);
        if (p->twin || p->op != NULL)
            continue;
        rn_assert(h->fatal == 0 || check_stays(op));
        waiting++;
        muted += p->muted;
    }
    rn_assert(side->waiting == waiting);
    rn_assert(side->muted == muted);
}

void handle_check(const struct handle *h)
{
    check_ledger(h);
    check_store(h);
    if (!handle_attached(h))
        return;
    check_waiting(h, RN_IN);
    check_waiting(h, RN_OUT);
    if (h->over)
        return;
    check_outbox(&h->out);
    check_verdicts(h);
}
