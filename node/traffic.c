/* traffic.c - what the link goroutine tells the home.   SPDX-License-Identifier: MIT
 *
 * Invariant: a side is in the table from Bind until Refused, Unbound, Failed or the session's end.  A control that found no
 * memory is told again later, because what it says is read from the handle's state, which only a control that was queued
 * changes. */
#include "node/inside.h"

#include "node/op.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <string.h>

#define WEAK_NS   (100 * RN_MS) /* how long a weak Ask is good */
#define EXPIRE_NS RN_MS         /* what has expired is looked for no more often */

static int tell(struct rn_node *n, const struct wire_control *c)
{
    int rc = session_control(n->session, c);
    if (rc < 0)
        n->starved = true;
    return rc;
}

/* ---- what goes out: controls ---- */

/* The operations that wait now, if that differs from what the home believes: of what it was told, each credit or
 * delivery has answered one.  Channel locked. */
static int side_ask(struct rn_node *n, struct side *side)
{
    const struct rn__op *op = side->waiting > 0
                                  ? rn__chan_first(side->handle->chan, op_of_dir(side->dir))
                                  : NULL;
    bool sized = side->dir == RN_OUT && !handle_meets(side->handle);
    uint64_t first = op != NULL && sized ? op_parcel(op)->buf.len : 0;
    uint64_t bytes = sized ? side->waiting_bytes : 0;
    uint32_t waiting = side->waiting - side->muted;
    uint64_t sole = side_sole(side);
    bool over = side->asked_over && waiting == 0;
    rn_reached_if(over, "traffic: the home is told that nobody waits");
    side->asked_over = false;
    if (!over && waiting == side->asked && sole == side->sole &&
        (waiting == 0 || (first == side->asked_first && bytes == side->asked_bytes)))
        return 0;
    struct wire_control c = {
        .what = WIRE_ASK,
        .bind = side->id,
        .ask = { .waiting = waiting,
                 .first_bytes = first,
                 .bytes = bytes,
                 .adjusted = side->adjusted,
                 .sole = sole },
    };
    int rc = tell(n, &c);
    if (rc < 0)
        return rc;
    side->asked = waiting;
    side->sole = sole;
    side->asked_first = first;
    side->asked_bytes = bytes;
    return 0;
}

/* What a rendezvous has to say: of receives, what became of claims; of sends, offers that are wanted back, and calls that
 * nobody wants. */
static int side_tell_answers(struct rn_node *n, struct side *side)
{
    struct pairing *m = &side->handle->pairing;
    uint32_t said = 0;
    int rc = 0;
    for (; said < m->n_answers && rc == 0; said += rc == 0) {
        const struct claim_answer *a = &m->answers[said];
        struct wire_control c = {
            .what = a->what,
            .bind = side->id,
            .meet = { .claim = a->claim },
        };
        rc = tell(n, &c);
    }
    if (said == 0)
        return rc;
    m->n_answers -= said;
    memmove(m->answers, m->answers + said, m->n_answers * sizeof *m->answers);
    return rc;
}

static int side_tell_offers(struct rn_node *n, struct side *side)
{
    struct pairing *m = &side->handle->pairing;
    struct parcel *p;
    int rc = 0;
    if (m->calls > 0) {
        struct wire_control c = {
            .what = WIRE_RETURNED,
            .bind = side->id,
            .credit = { .elements = m->calls },
        };
        rc = tell(n, &c);
        if (rc < 0)
            return rc;
        m->calls = 0;
        m->but = 0;
    }
    TAILQ_FOREACH(p, &m->offers, link)
    {
        struct wire_control c = { .what = WIRE_WITHDRAW, .bind = side->id, .number = p->number };
        if (!p->withdraw_due)
            continue;
        rc = tell(n, &c);
        if (rc < 0)
            return rc;
        p->withdraw_due = false;
    }
    return 0;
}

static int side_tell_pairing(struct rn_node *n, struct side *side)
{
    return side->dir == RN_IN ? side_tell_answers(n, side) : side_tell_offers(n, side);
}

static int side_ask_weakly(struct rn_node *n, struct side *side)
{
    if (!side->missed)
        return 0;
    side->missed = false;
    if (side->waiting > 0)
        return 0;
    struct wire_control c = {
        .what = WIRE_ASK,
        .bind = side->id,
        .ask = {
            .waiting = 1,
            .first_bytes = side->missed_bytes,
            .bytes = side->missed_bytes,
            .weak = true,
        },
    };
    side->weak_until = rn__boottime() + WEAK_NS;
    return tell(n, &c);
}

static int side_tell_counts(struct rn_node *n, struct side *side)
{
    struct wire_control c = { .what = WIRE_COUNTS, .bind = side->id };
    handle_counts(side->handle, &c.counts);
    if (memcmp(&c.counts, &side->reported, sizeof c.counts) == 0)
        return 0;
    int rc = tell(n, &c);
    if (rc == 0)
        side->reported = c.counts;
    return rc;
}

static const char *why_of(const struct delivery *d)
{
    return d->why != NULL ? d->why : "";
}

/* Fills c with ranges of deliveries of one verdict, delay and reason, from d on.  Gives the first that it does not name. */
static struct delivery *settle_fill(struct wire_control *c, struct wire_range *ranges,
                                    struct delivery *d)
{
    uint32_t n = 0;
    c->settle.verdict = d->verdict;
    c->settle.delay_ms = d->delay_ms;
    c->settle.why = why_of(d);
    for (; d != NULL; d = d->next) {
        if (d->verdict != c->settle.verdict || d->delay_ms != c->settle.delay_ms ||
            strcmp(why_of(d), c->settle.why) != 0)
            break;
        if (n > 0 && ranges[n - 1].first + ranges[n - 1].count == d->number) {
            ranges[n - 1].count++;
            continue;
        }
        if (n == WIRE_RANGES_MAX)
            break;
        ranges[n++] = (struct wire_range){ d->number, 1 };
    }
    c->settle.ranges = ranges;
    c->settle.n_ranges = n;
    return d;
}

/* What the program has said of deliveries in its hands. */
static int side_tell_settled(struct rn_node *n, struct side *side)
{
    struct hand *hand = side->handle->hand;
    struct wire_range ranges[WIRE_RANGES_MAX];
    int rc = 0;
    /* Cleared before we look, so that what is said afterwards sets it again. */
    if (hand == NULL || !atomic_load(&side->handle->settles))
        return 0;
    atomic_store(&side->handle->settles, false);
    struct delivery *first = hand_collect(hand), *d = first;
    while (d != NULL) {
        struct wire_control c = { .what = WIRE_SETTLE, .bind = side->id };
        struct delivery *next = settle_fill(&c, ranges, d);
        rc = tell(n, &c);
        if (rc < 0)
            break;
        d = next;
    }
    if (first != NULL)
        hand_told(hand, first, d);
    if (d != NULL)
        atomic_store(&side->handle->settles, true);
    return rc;
}

/* As many gaps as one Settle can name, from the first on: while their numbers grow. */
static uint32_t expired_fill(const struct store *in, struct wire_range *ranges, uint32_t *n_ranges)
{
    uint32_t i = 0, n = 0;
    for (; i < in->n_gaps; i++) {
        const struct store_gap *gap = &in->gaps[i];
        uint64_t end = n > 0 ? ranges[n - 1].first + ranges[n - 1].count : 0;
        if (gap->first < end)
            break;
        if (n > 0 && gap->first == end) {
            ranges[n - 1].count += gap->count;
            continue;
        }
        if (n == WIRE_RANGES_MAX)
            break;
        ranges[n++] = (struct wire_range){ gap->first, gap->count };
    }
    *n_ranges = n;
    return i;
}

/* What has expired here. */
static int side_tell_expired(struct rn_node *n, struct side *side)
{
    struct store *in = &side->handle->in;
    struct wire_range ranges[WIRE_RANGES_MAX];
    int rc = 0;
    while (in->n_gaps > 0 && rc == 0) {
        struct wire_control c = {
            .what = WIRE_SETTLE,
            .bind = side->id,
            .settle = { .verdict = WIRE_EXPIRED, .ranges = ranges, .why = "" },
        };
        uint32_t said = expired_fill(in, ranges, &c.settle.n_ranges);
        rc = tell(n, &c);
        if (rc == 0)
            store_told(in, said);
    }
    return rc;
}

/* What has not been taken and is not to be given back goes first: Taken covers all before it. */
int traffic_taken(struct rn_node *n, struct side *side)
{
    struct handle *h = side->handle;
    int rc = side_tell_settled(n, side);
    if (rc == 0 && h->in.n_gaps > 0)
        rc = side_tell_expired(n, side);
    if (rc == 0)
        rc = slow_tell(n, side);
    if (rc < 0 || h->taken == h->taken_reported)
        return rc;
    struct wire_control c = { .what = WIRE_TAKEN, .bind = side->id, .number = h->taken };
    rc = tell(n, &c);
    if (rc == 0)
        h->taken_reported = h->taken;
    return rc;
}

static int side_tell_close(struct rn_node *n, struct side *side)
{
    struct wire_control c = {
        .what = WIRE_CLOSE,
        .bind = side->id,
        .recall = { .reason = side->close_reason },
    };
    int rc = tell(n, &c);
    if (rc == 0)
        side->close_due = false;
    return rc;
}

static int side_tell_unbind(struct rn_node *n, struct side *side)
{
    struct wire_control c = { .what = WIRE_UNBIND,
                              .bind = side->id,
                              .unbind = { .abandoned = side->abandoned } };
    int rc = tell(n, &c);
    if (rc == 0) {
        side->unbind_due = false;
        side->state = SIDE_UNBINDING;
    }
    return rc;
}

/* Has everything been said that must be said before this side is closed or unbound? */
static bool side_settled(const struct side *side)
{
    const struct handle *h = side->handle;
    if (side->dir == RN_OUT)
        return h->out.head == NULL;
    if (h->pairing.n_claims > 0)
        return false;
    return h->popped == h->finished || h->broken != 0;
}

/* Channel locked. */
static int side_collect(struct rn_node *n, struct side *side)
{
    if (side->state != SIDE_BOUND)
        return 0;
    /* What a receive gave back goes before what later ones have taken: Taken covers all before it. */
    int rc = handle_meets(side->handle) ? side_tell_pairing(n, side) : 0;
    if (rc == 0 && side->dir == RN_IN)
        rc = traffic_taken(n, side);
    if (rc == 0 && side->closed == 0 && !side->unbind_due) {
        rc = side_ask(n, side);
        if (rc == 0)
            rc = side_ask_weakly(n, side);
    }
    if (rc < 0 || !side_settled(side))
        return rc;
    if (side->dir == RN_OUT && (side->close_due || side->unbind_due))
        rc = side_tell_counts(n, side);
    if (rc == 0 && side->close_due)
        rc = side_tell_close(n, side);
    if (rc == 0 && side->unbind_due)
        rc = side_tell_unbind(n, side);
    return rc;
}

static void meets_place(struct rn_node *n, struct handle *h)
{
    bool busy = h->listed && pairing_busy(h);
    if (busy && !h->in_meets)
        TAILQ_INSERT_TAIL(&n->meets, h, meets);
    else if (!busy && h->in_meets)
        TAILQ_REMOVE(&n->meets, h, meets);
    h->in_meets = busy;
}

static void times_remove(struct rn_node *n, struct handle *h)
{
    if (!h->in_times)
        return;
    h->in_times = false;
    TAILQ_REMOVE(&n->times, h, times);
}

void traffic_times(struct rn_node *n, struct handle *h, int64_t expires_ns)
{
    if (!h->listed)
        return;
    if (!h->in_times)
        TAILQ_INSERT_TAIL(&n->times, h, times);
    h->in_times = true;
    if (expires_ns < n->expire_ns)
        n->expire_ns = expires_ns;
}

/* Those who take look for themselves; this is so that slots come free where nobody takes. */
void traffic_expire(struct rn_node *n)
{
    struct handle *h, *next;
    if (n->expire_ns == INT64_MAX || rn__boottime() < n->expire_ns)
        return;
    n->expire_ns = INT64_MAX;
    for (h = TAILQ_FIRST(&n->times); h != NULL; h = next) {
        next = TAILQ_NEXT(h, times);
        rn__chan_lock(h->chan);
        handle_expire_locked(h);
        int64_t first_ns = h->in.first_ns;
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        if (first_ns == STORE_NEVER)
            times_remove(n, h);
        else if (first_ns < n->expire_ns)
            n->expire_ns = first_ns;
    }
    /* Parts that expire one after the other do not need a walk each. */
    int64_t soon_ns = rn__boottime() + EXPIRE_NS;
    if (n->expire_ns < soon_ns)
        n->expire_ns = soon_ns;
}

static int64_t handle_knocks(struct handle *h, int64_t now_ns)
{
    rn__chan_lock(h->chan);
    int64_t at_ns = pairing_knocks(h, now_ns);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    return at_ns;
}

void traffic_knocks(struct rn_node *n)
{
    int64_t now_ns = rn__boottime(), first_ns = INT64_MAX, at_ns;
    struct handle *h;
    if (!atomic_exchange(&n->knocked, false) && now_ns < n->yield_ns)
        return;
    TAILQ_FOREACH(h, &n->meets, meets)
    {
        at_ns = handle_knocks(h, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    for (h = n->held; h != NULL; h = h->dirty_next) {
        if (h->in_meets || !h->listed) /* the channel of one that is not listed may be gone */
            continue;
        at_ns = handle_knocks(h, now_ns);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    n->yield_ns = first_ns;
}

static void handle_collect(struct rn_node *n, struct handle *h)
{
    /* Cleared before we look, so that what changes afterwards marks the handle again. */
    atomic_store(&h->dirty, false);
    if (!h->listed)
        return;
    rn__chan_lock(h->chan);
    if (atomic_load(&h->pairing.look))
        pairing_look(h);
    int rc = side_collect(n, &h->side[RN_IN]);
    if (rc == 0)
        rc = side_collect(n, &h->side[RN_OUT]);
    if (h->out.head != NULL || h->pairing.unsaid != NULL)
        turns_add(n, h);
    meets_place(n, h);
    if (rc < 0 && !h->over)
        node_mark(n, h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
}

void traffic_gather(struct rn_node *n)
{
    struct handle *stack = atomic_exchange(&n->dirty, NULL);
    struct handle *first = NULL;
    while (stack != NULL) { /* the stack is newest first: turn it around */
        struct handle *next = stack->dirty_next;
        stack->dirty_next = first;
        first = stack;
        stack = next;
    }
    struct handle **end = &n->held;
    while (*end != NULL)
        end = &(*end)->dirty_next;
    *end = first;
}

void traffic_counts(struct rn_node *n)
{
    struct handle *h;
    chunk_pool_rest(&n->chunks);
    TAILQ_FOREACH(h, &n->handles, all)
    {
        rn__chan_lock(h->chan);
        if (h->side[RN_OUT].state == SIDE_BOUND)
            side_tell_counts(n, &h->side[RN_OUT]);
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
    }
}

static int64_t ttl_ms(int64_t ttl_ns)
{
    return ttl_ns == RN_FOREVER ? WIRE_NO_TTL : ttl_ns / RN_MS + (ttl_ns % RN_MS != 0);
}

void traffic_bind(struct rn_node *n, struct side *side)
{
    if (side->state != SIDE_PENDING)
        return;
    bool others_due = n->binds_due;
    n->binds_due = true; /* until it is said */
    if (n->session == NULL)
        return;
    const struct rn_bind_opts *o = &side->opts;
    struct wire_control c = {
        .what = WIRE_BIND,
        .bind = n->binds + 1,
        .bind_ = {
            .name = side->handle->name,
            .direction = side->dir == RN_OUT ? WIRE_OUT : WIRE_IN,
            .attributes = {
                .kind = (enum wire_kind)o->kind,
                .keep = (enum wire_keep)o->keep,
                .slow = (enum wire_slow)o->slow,
                .capacity = o->capacity,
                .capacity_bytes = o->capacity_bytes,
                .max_deliveries = o->max_deliveries,
                .ttl_ms = ttl_ms(o->ttl_ns),
                .type = side->type != NULL ? side->type : "",
            },
            .must_exist = o->must_exist,
            .prefetch = o->prefetch,
            .autoclose = o->autoclose,
            .senders_min = o->senders_min,
            .manual_ack = o->manual_ack,
            .reply = side->maker,
        },
    };
    if (!keyed_add(&n->sides, c.bind, side)) {
        n->starved = true;
        return;
    }
    if (tell(n, &c) < 0) {
        keyed_take(&n->sides, c.bind, side);
        return; /* pending still: the loop comes back to it */
    }
    n->binds_due = others_due;
    side->id = ++n->binds;
    rn__chan_lock(side->handle->chan);
    side->state = SIDE_BINDING;
    rn__chan_unlock(side->handle->chan);
}

void traffic_query(struct rn_node *n, struct query *q)
{
    q->question.bind = q->id;
    if (n->session == NULL)
        return;
    q->said = true;
    tell(n, &q->question);
}

/* ---- what goes out: all of it ---- */

int traffic_pump(struct rn_node *n)
{
    struct frame *f;
    int starved = 0;
    while ((f = session_next(n->session, rn__boottime(), &starved)) != NULL) {
        int rc = link_send(n->link, n->peer, f);
        if (rc < 0)
            return rc;
    }
    n->starved |= starved < 0;
    return 0;
}

/* Of thousands of handles hardly one is in the processor's cache.  That is asked for while the one before it is looked at; and
 * whoever follows it, to be asked for next. */
static void collect_expect(const struct handle *h)
{
    __builtin_prefetch(h->dirty_next);
    __builtin_prefetch(h->chan);
    __builtin_prefetch(&h->out);
    __builtin_prefetch(&h->popped);
    __builtin_prefetch(&h->in.newest);
    __builtin_prefetch(&h->in.n_gaps);
    __builtin_prefetch(&h->side[RN_IN].state);
    __builtin_prefetch(&h->side[RN_OUT].state);
    __builtin_prefetch(&h->turn);
    __builtin_prefetch(&h->pairing);
}

int traffic_output(struct rn_node *n)
{
    traffic_gather(n);
    /* What found no memory when it was collected goes before all that may have to follow it. */
    if (frame_writer_size(&n->writer) > 0 && session_data(n->session, &n->writer) < 0) {
        n->starved = true;
        return traffic_pump(n);
    }
    /* Those that are marked again meanwhile have their turn with the next call. */
    struct handle *held = n->held;
    n->held = NULL;
    while (held != NULL) {
        struct handle *h = held;
        held = h->dirty_next;
        if (held != NULL)
            collect_expect(held);
        handle_collect(n, h);
        handle_unref(h);
    }
    int rc = turns_send(n);
    return rc < 0 ? rc : traffic_pump(n);
}

/* ---- ends ---- */

void traffic_reply(struct side *side, int rc)
{
    if (side->reply == NULL)
        return;
    rn_chan_send(side->reply, &rc, RN_NOWAIT);
    rn_chan_unref(side->reply);
    side->reply = NULL;
}

void traffic_delist(struct rn_node *n, struct handle *h, int rc)
{
    for (int dir = 0; dir < 2; dir++)
        if (h->side[dir].state != SIDE_NONE && h->side[dir].state != SIDE_OVER)
            return;
    if (!h->listed)
        return;
    handle_over(h, rc);
    if (n->stage == NODE_CLOSING) {
        rn__chan_lock(h->chan);
        n->unsent += handle_unsent(h);
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
    }
    turns_remove(n, h);
    times_remove(n, h);
    TAILQ_REMOVE(&n->handles, h, all);
    h->listed = false;
    meets_place(n, h);
    rn_chan_unref(h->chan);
    handle_unref(h);
}
