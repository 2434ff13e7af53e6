/* side.c - lists and sums of those who ask and those who hold.   SPDX-License-Identifier: MIT */
#include "broker/core/side.h"

#include "broker/core/channel.h"
#include "runtime/assert.h"

void side_init(struct side *s)
{
    *s = (struct side){ 0 };
    hook_init(&s->bindings);
    hook_init(&s->askers);
    hook_init(&s->weak);
    hook_init(&s->spare);
    hook_init(&s->claimed);
}

void side_join(struct side *s, struct binding *b)
{
    b->side = s;
    hook_put(&s->bindings, &b->of_side);
    s->n_bindings++;
}

void side_leave(struct binding *b)
{
    rn_assert(b->held == 0);
    side_unask(b);
    if (b->recalls > 0)
        side_answered(b);
    b->fresh = false;
    b->held_bytes = 0;
    side_place(b);
    hook_take(&b->of_side);
    b->side->n_bindings--;
}

void side_ask(struct binding *b)
{
    if (hook_linked(&b->asking))
        return;
    if (b->weak) {
        hook_put(&b->side->weak, &b->asking);
        return;
    }
    hook_put(&b->side->askers, &b->asking);
    b->side->waiting += b->waiting;
}

void side_unask(struct binding *b)
{
    if (!hook_linked(&b->asking))
        return;
    hook_take(&b->asking);
    if (!b->weak)
        b->side->waiting -= b->waiting;
}

void side_ask_first(struct binding *b)
{
    if (!hook_linked(&b->asking))
        return;
    hook_take(&b->asking);
    hook_put(b->side->askers.next, &b->asking);
}

static void set_waiting(struct binding *b, uint32_t waiting)
{
    if (hook_linked(&b->asking) && !b->weak)
        b->side->waiting += (uint64_t)waiting - b->waiting;
    b->waiting = waiting;
}

void side_wait(struct binding *b, uint32_t waiting)
{
    set_waiting(b, waiting);
    b->unsure = 0;
    if (b->direction == WIRE_OUT) {
        b->unsure = b->held < waiting ? (uint32_t)b->held : waiting;
        b->claimed = 0; /* it may be spare when somebody waits for credit all the same */
    }
    side_place(b);
}

void side_hand(struct binding *b, uint64_t in_hand)
{
    b->side->in_hand += in_hand - b->in_hand;
    b->in_hand = in_hand;
}

/* Nobody waits for what is in the program's hands already. */
static void claim(struct binding *b, uint64_t claimed)
{
    uint64_t most = b->held - b->in_hand;

    b->claimed = claimed < most ? claimed : most;
}

void side_claim(struct binding *b, uint64_t claimed)
{
    claim(b, claimed);
    side_place(b);
}

uint64_t side_answer(struct binding *b, uint64_t n)
{
    uint32_t sure = b->waiting - b->unsure, answered = n < b->waiting ? (uint32_t)n : b->waiting;

    set_waiting(b, b->waiting - answered);
    if (b->unsure > b->waiting)
        b->unsure = b->waiting;
    return answered < sure ? answered : sure;
}

void side_hold(struct binding *b, uint64_t n, uint64_t bytes, uint64_t claimed)
{
    b->held += n;
    b->held_bytes += bytes;
    b->claimed += claimed;
    b->fresh = true;
    b->side->held += n;
    b->side->held_bytes += bytes;
    side_place(b);
}

static void hold_less(struct binding *b, uint64_t n, uint64_t bytes, uint64_t claimed)
{
    rn_assert(b->held >= n);
    rn_assert(b->held_bytes >= bytes);
    b->held -= n;
    b->held_bytes -= bytes;
    claim(b, claimed);
    b->side->held -= n;
    b->side->held_bytes -= bytes;
    side_place(b);
}

void side_release(struct binding *b, uint64_t n, uint64_t bytes)
{
    hold_less(b, n, bytes, b->claimed < n ? 0 : b->claimed - n);
}

void side_give_back(struct binding *b, uint64_t n, uint64_t bytes)
{
    hold_less(b, n, bytes, b->claimed);
}

/* A receiver that surely waits itself is not robbed; nor, when it may wait, of what has not even left for it: that
 * would only go round in a circle.  A sender that waits may hold credit that is of no use to it. */
static bool spared(const struct binding *b)
{
    return b->direction == WIRE_IN && hook_linked(&b->asking) &&
           (b->unsure < b->waiting || b->outbox.count > 0);
}

/* Of a rendezvous nothing is ever recalled. */
static struct hook *place_of(struct binding *b)
{
    if (b->direction == WIRE_IN && channel_fans(b->channel))
        return NULL; /* nobody else is to have it */
    if (channel_meets(b->channel) || b->ended || b->recalls > 0 || !b->fresh || spared(b))
        return NULL;
    if (b->held - b->in_hand - (b->leaving != NULL) > b->claimed)
        return &b->side->spare;
    if (b->direction == WIRE_OUT && b->claimed == 0 && b->held_bytes > 0)
        return &b->side->spare;
    return b->held > b->in_hand ? &b->side->claimed : NULL;
}

void side_place(struct binding *b)
{
    struct hook *place = place_of(b);

    if (place == b->holding_in)
        return;
    hook_take(&b->holding);
    b->holding_in = place;
    if (place != NULL)
        hook_put(place, &b->holding);
}

void side_recall(struct binding *b, uint64_t n, uint64_t bytes)
{
    b->recalls++;
    b->recalled += n;
    b->expected += n;
    b->expected_bytes += bytes;
    b->side->returning += n;
    b->side->returning_bytes += bytes;
    b->fresh = false;
    side_place(b);
}

static void expect_no_more(struct binding *b)
{
    b->side->returning -= b->expected;
    b->side->returning_bytes -= b->expected_bytes;
    b->expected = b->expected_bytes = 0;
}

void side_answered(struct binding *b)
{
    expect_no_more(b);
    b->recalls = 0;
    b->recalled = 0;
    side_place(b);
}

void side_doubt(struct side *s)
{
    list_each(&s->bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        expect_no_more(b);
        if (b->held == 0 && b->held_bytes == 0)
            continue;
        b->claimed = 0;
        b->unsure = b->waiting;
        b->fresh = true;
        side_place(b);
    }
}

void side_check(const struct side *s)
{
    uint64_t held = 0, bytes = 0, in_hand = 0, waiting = 0, returning = 0;
    uint32_t n = 0, askers = 0, spare = 0, claimed = 0;

    list_each(&s->bindings, at)
    {
        struct binding *b = list_entry(at, struct binding, of_side);
        rn_assert(b->side == s);
        rn_assert(b->in_hand <= b->held);
        rn_assert(b->claimed <= b->held - b->in_hand);
        rn_assert(b->unsure <= b->waiting);
        rn_assert(b->holding_in == place_of(b));
        rn_assert(hook_linked(&b->holding) == (b->holding_in != NULL));
        if (hook_linked(&b->asking)) {
            rn_assert(b->waiting > 0);
            waiting += b->weak ? 0 : b->waiting;
            askers += !b->weak;
        }
        held += b->held;
        bytes += b->held_bytes;
        in_hand += b->in_hand;
        returning += b->expected;
        spare += b->holding_in == &s->spare;
        claimed += b->holding_in == &s->claimed;
        n++;
    }
    rn_assert(held == s->held);
    rn_assert(bytes == s->held_bytes);
    rn_assert(in_hand == s->in_hand);
    rn_assert(waiting == s->waiting);
    rn_assert(returning == s->returning);
    rn_assert(n == s->n_bindings);
    list_each(&s->askers, at) askers--;
    list_each(&s->spare, at) spare--;
    list_each(&s->claimed, at) claimed--;
    rn_assert(askers == 0);
    rn_assert(spare == 0);
    rn_assert(claimed == 0);
}
