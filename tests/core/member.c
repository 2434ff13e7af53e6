/* member.c - a model node at a rendezvous.   SPDX-License-Identifier: MIT
 *
 * As node/pairing.c with offering.c and claiming.c, without what makes those fast or patient. */
#include "tests/core/crowd.h"

#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

/* ---- operations ------------------------------------------------------------------------------------------------------ */

static int case_of(const struct crowd_op *op, const struct tie *t)
{
    for (uint32_t i = 0; i < op->n_cases; i++) {
        if (op->cases[i].tie == t)
            return (int)i;
    }
    return -1;
}

static bool is_tentative_at(const struct crowd_op *op, const struct tie *t)
{
    return op->at >= 0 && op->cases[op->at].tie == t;
}

bool tie_open(const struct tie *t)
{
    return t->bound && !t->closed && !t->unbinding && !t->over && t->member->session != NULL;
}

static void op_end(struct member *m, struct crowd_op *op)
{
    size_t i = 0;

    while (m->ops.at[i] != op)
        i++;
    memmove(m->ops.at + i, m->ops.at + i + 1, (--m->ops.n - i) * sizeof *m->ops.at);
    free(op);
}

/* Is it over, unless it is tentative? */
static bool has_to_end(const struct crowd *c, const struct crowd_op *op)
{
    bool over = op->given_up || op->deadline <= c->now;

    for (uint32_t i = 0; i < op->n_cases; i++)
        over |= !tie_open(op->cases[i].tie);
    return over;
}

static void end_some(struct member *m)
{
    for (size_t i = m->ops.n; i-- > 0;) {
        if (m->ops.at[i]->at < 0 && has_to_end(m->crowd, m->ops.at[i]))
            op_end(m, m->ops.at[i]);
    }
}

static struct crowd_op *find_op(struct member *m, const struct tie *t, uint64_t number)
{
    for (size_t i = 0; i < m->ops.n; i++) {
        if (is_tentative_at(m->ops.at[i], t) && m->ops.at[i]->number == number)
            return m->ops.at[i];
    }
    return NULL;
}

static void become_tentative(struct crowd_op *op, int at, uint64_t number)
{
    rn_assert(op->at < 0);
    op->at = at;
    op->number = number;
    op->delivery = 0;
    op->withdrawn = op->talks = false;
    op->cases[at].muted = false;
}

/* It is tentative elsewhere, so the home is not asked for it here before it is open again. */
static void mute(struct crowd_op *op, int at)
{
    op->cases[at].muted = true;
    op->talks = true;
}

/* Those that were passed over count again: also who is tentative once more, for that was not told to wait. */
static void look(struct tie *t)
{
    struct member *m = t->member;

    for (size_t i = 0; i < m->ops.n; i++) {
        int at = case_of(m->ops.at[i], t);
        if (at >= 0)
            m->ops.at[i]->cases[at].muted = false;
    }
}

/* Nothing came of it. */
static void release(struct crowd_op *op)
{
    struct tie *t = op->cases[op->at].tie;

    op->at = -1;
    for (uint32_t i = 0; i < op->n_cases; i++) {
        if (op->talks || op->cases[i].tie == t)
            look(op->cases[i].tie);
    }
}

/* The home has changed how many wait, as it counts. */
static void adjust(struct tie *t, int64_t change)
{
    t->asked += change;
    t->adjusted += change;
    if (change != 0)
        t->sole = 0;
}

/* Has the operation a case on the other side of the same channel? */
static bool is_on_both_sides(const struct crowd_op *op, int at)
{
    const struct tie *t = op->cases[at].tie;

    for (uint32_t i = 0; i < op->n_cases; i++) {
        const struct tie *other = op->cases[i].tie;
        if (other->direction != t->direction && strcmp(other->name, t->name) == 0)
            return true;
    }
    return false;
}

/* ---- offering -------------------------------------------------------------------------------------------------------- */

/* Every other element has a Header, as far as the home can tell. */
static uint32_t flags_of(uint64_t element)
{
    return element % 2 == 0 ? WIRE_HEADED : 0;
}

static void send_offer(struct tie *t, const struct crowd_op *op, bool patient)
{
    struct crowd *c = t->member->crowd;
    uint64_t id = op->cases[op->at].element;
    size_t len = sizeof id + id % 16;
    struct crowd_message *m = crowd_message_new();
    int64_t left = op->deadline == INT64_MAX ? 0 : (op->deadline - c->now + MS - 1) / MS;

    m->data = true;
    m->frame = frame_new(element_size(len));
    rn_assert(m->frame != NULL);
    size_t at = element_prefix(m->frame->data, len);
    memset(m->frame->data + at, 0, len);
    memcpy(m->frame->data + at, &id, sizeof id);
    m->section = (struct wire_section){
        .bind = t->number,
        .count = 1,
        .number = op->number,
        .position = op->id,
        .incarnation = t->incarnation,
        .epoch = t->epoch,
        .deliveries = op->deadline == INT64_MAX ? 0
                      : left < 1                ? 1
                                                : (uint32_t)left,
        .bytes = len,
        .size = (uint32_t)m->frame->len,
        .flags = WIRE_OFFER | (patient ? WIRE_PATIENT : 0) | flags_of(id),
        .body = m->frame->data,
    };
    row_add(&t->member->up, m);
}

static void offer(struct tie *t, struct crowd_op *op, int at, bool patient)
{
    if (op->at >= 0) {
        mute(op, at);
        return;
    }
    row_add(&t->offered, op->cases[at].element);
    become_tentative(op, at, t->offered.n);
    t->calls -= !patient;
    send_offer(t, op, patient);
}

static void serve_calls(struct tie *t)
{
    struct member *m = t->member;

    for (size_t i = 0; i < m->ops.n && t->calls > 0; i++) {
        struct crowd_op *op = m->ops.at[i];
        int at = case_of(op, t);
        if (at >= 0 && op->at != at && (t->but == 0 || op->id != t->but))
            offer(t, op, at, false);
    }
}

static void work_out(struct tie *t)
{
    struct member *m = t->member;

    if (t->closed)
        return;
    serve_calls(t);
    for (size_t i = 0; i < m->ops.n; i++) {
        struct crowd_op *op = m->ops.at[i];
        if (op->n_cases == 1 && op->at < 0 && !op->asks && op->cases[0].tie == t)
            offer(t, op, 0, true);
    }
}

/* ---- being claimed --------------------------------------------------------------------------------------------------- */

static bool is_own(const struct tie *t, const struct crowd_op *op, const struct wire_operation *o)
{
    return op->id == o->number && memcmp(t->member->instance, o->instance, 16) == 0;
}

static bool is_lower(const struct tie *t, const struct wire_operation *o, const struct crowd_op *op)
{
    int order = memcmp(o->instance, t->member->instance, 16);

    return order != 0 ? order < 0 : o->number < op->id;
}

static void answer(struct tie *t, uint64_t claim, enum wire_what what)
{
    row_add(&t->answers, (struct wire_control){ .what = what, .meet = { .claim = claim } });
}

/* Looks for a receive that takes the offer.  false: the claim is held. */
static bool decide(struct tie *t, const struct held_claim *h)
{
    struct member *m = t->member;
    bool lower = false;

    for (size_t i = 0; i < m->ops.n && !t->closed; i++) {
        struct crowd_op *op = m->ops.at[i];
        int at = case_of(op, t);
        if (at < 0 || is_own(t, op, &h->offer))
            continue;
        if (op->at < 0) {
            become_tentative(op, at, h->claim);
            answer(t, h->claim, WIRE_CLAIMED);
            return true;
        }
        if (op->at != at)
            mute(op, at);
        lower |= is_lower(t, &h->offer, op);
    }
    if (!lower)
        answer(t, h->claim, WIRE_REFUSE);
    return !lower;
}

static void work_in(struct tie *t)
{
    size_t left = 0;

    for (size_t i = 0; i < t->held.n; i++) {
        struct held_claim h = t->held.at[i];
        if (!decide(t, &h))
            t->held.at[left++] = h;
    }
    t->held.n = left;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

uint32_t tie_waiting(const struct tie *t, uint64_t *sole)
{
    const struct member *m = t->member;
    uint32_t n = 0;

    *sole = 0;
    for (size_t i = 0; i < m->ops.n; i++) {
        const struct crowd_op *op = m->ops.at[i];
        int at = case_of(op, t);
        if (at < 0 || op->at == at || op->cases[at].muted)
            continue;
        *sole = ++n == 1 && is_on_both_sides(op, at) ? op->id : 0;
    }
    return n;
}

static void ask(struct tie *t)
{
    uint64_t sole;
    uint32_t n = tie_waiting(t, &sole);

    if (n == t->asked && sole == t->sole)
        return;
    t->asked = n;
    t->sole = sole;
    tie_say(
        t, (struct wire_control){ .what = WIRE_ASK,
                                  .ask = { .waiting = n, .adjusted = t->adjusted, .sole = sole } });
}

static void say_answers(struct tie *t)
{
    for (size_t i = 0; i < t->answers.n; i++)
        tie_say(t, t->answers.at[i]);
    t->answers.n = 0;
    if (t->taken > t->taken_said) /* what was given back before is not covered by it */
        tie_say(t, (struct wire_control){ .what = WIRE_TAKEN, .number = t->taken });
    t->taken_said = t->taken;
}

static void say_returned(struct tie *t)
{
    if (t->calls > 0)
        tie_say(t,
                (struct wire_control){ .what = WIRE_RETURNED, .credit = { .elements = t->calls } });
    t->calls = 0;
    t->but = 0;
}

/* Says what the home has to know. */
static void collect(struct tie *t)
{
    if (!t->bound || t->unbinding || t->over || t->capacity != WIRE_RENDEZVOUS)
        return;
    say_answers(t);
    say_returned(t);
    if (!t->closed)
        ask(t);
}

/* Does all that follows from what has happened. */
void member_work(struct member *m)
{
    bool speaks = !m->crowd->lazy || crowd_below(m->crowd, 3) == 0;

    end_some(m);
    for (size_t i = 0; i < m->ties.n; i++) {
        struct tie *t = m->ties.at[i];
        if (!t->bound || t->unbinding || t->over || t->capacity != WIRE_RENDEZVOUS)
            continue;
        if (t->direction == WIRE_OUT)
            work_out(t);
        else
            work_in(t);
    }
    for (size_t i = 0; i < m->ties.n && speaks; i++)
        collect(m->ties.at[i]);
}

/* ---- hearing ------------------------------------------------------------------------------------------------------------ */

static void hear_call(struct tie *t, uint32_t n, uint64_t but)
{
    t->calls += n;
    t->but = but;
    adjust(t, -(int64_t)n);
}

static void hear_claim(struct tie *t, const struct wire_control *c)
{
    adjust(t, -1);
    row_add(&t->held, (struct held_claim){ c->meet.claim, c->meet.offer });
}

static void hear_commit(struct tie *t, const struct wire_control *c)
{
    struct member *m = t->member;
    bool out = t->direction == WIRE_OUT;
    struct crowd_op *op = find_op(m, t, out ? c->meet.number : c->meet.claim);

    if (out) {
        rn_assert(op != NULL);
        m->crowd->performed++;
        op_end(m, op);
    } else if (op != NULL) {
        op->delivery = c->meet.number; /* else it has yielded */
    }
}

static void hear_abort(struct tie *t, const struct wire_control *c)
{
    struct member *m = t->member;
    bool out = t->direction == WIRE_OUT;
    struct crowd_op *op = find_op(m, t, out ? c->meet.number : c->meet.claim);

    adjust(t, c->meet.asks);
    for (size_t i = 0; i < t->held.n && !out; i++) {
        struct held_claim *h = &t->held.at[i];
        if (h->claim != c->meet.claim)
            continue;
        memmove(h, h + 1, (--t->held.n - i) * sizeof *h);
        return;
    }
    rn_assert(op != NULL || !out);
    if (op == NULL)
        return;
    rn_assert(op->delivery == 0);
    if (out && c->meet.asks && t->asked == 1 && is_on_both_sides(op, op->at))
        t->sole = op->id; /* the home knows it by its offer */
    if (out)
        op->asks = c->meet.asks;
    release(op);
}

/* No receive on it is performed any more. */
static void fail_receives(struct tie *t)
{
    struct member *m = t->member;

    t->held.n = 0;
    for (size_t i = m->ops.n; i-- > 0;) {
        if (is_tentative_at(m->ops.at[i], t))
            op_end(m, m->ops.at[i]);
    }
}

void member_hear(struct tie *t, const struct wire_control *c)
{
    rn_assert(!t->over);
    switch (c->what) {
    case WIRE_BOUND:
        t->bound = true;
        t->incarnation = c->bound.incarnation;
        t->epoch = c->bound.epoch;
        t->capacity = c->bound.attributes.capacity;
        break;
    case WIRE_OPENED:
        t->capacity = c->bound.attributes.capacity;
        break;
    case WIRE_REFUSED:
        rn_assert(c->refused.code == WIRE_NO_MEMORY);
        t->over = true;
        break;
    case WIRE_CREDIT:
        if (!t->unbinding)
            hear_call(t, c->credit.elements, c->credit.but);
        break;
    case WIRE_CLAIM:
        if (!t->unbinding)
            hear_claim(t, c);
        break;
    case WIRE_COMMIT:
        hear_commit(t, c);
        break;
    case WIRE_ABORT:
        hear_abort(t, c);
        break;
    case WIRE_RECALL:
        rn_assert(c->recall.closing);
        t->closed = true;
        say_returned(t);
        break;
    case WIRE_CLOSED_:
        t->closed = true;
        if (t->direction == WIRE_IN)
            fail_receives(t);
        break;
    case WIRE_UNBOUND:
        rn_assert(t->unbinding);
        t->over = true;
        for (size_t i = 0; i < t->member->ops.n; i++)
            rn_assert(!is_tentative_at(t->member->ops.at[i], t));
        break;
    default:
        rn_assert(!"a control that is not for a rendezvous");
    }
}

void member_take(struct tie *t, const struct wire_section *s)
{
    struct member *m = t->member;
    struct crowd *c = m->crowd;
    size_t at = 0, len;
    uint64_t id;

    memcpy(&id, section_element(s, &at, &len), sizeof id);
    rn_assert(s->incarnation == t->incarnation && s->epoch == t->epoch);
    rn_assert(s->count == 1 && s->flags == (WIRE_OFFER | flags_of(id)));
    for (size_t i = 0; i < m->ops.n; i++) {
        struct crowd_op *op = m->ops.at[i];
        if (!is_tentative_at(op, t) || op->delivery != s->number)
            continue;
        rn_assert(c->elements.at[id].accepted);
        rn_assert(!is_own(t, op, &c->elements.at[id].sender));
        c->elements.at[id].taken++;
        c->performed++;
        row_add(&t->got, (struct got){ s->number, id });
        t->taken = s->number;
        op_end(m, op);
        return;
    }
}

/* ---- what its goroutines do ---------------------------------------------------------------------------------------------- */

void op_begin(struct member *m, struct tie *const *ties, uint32_t n, int64_t deadline)
{
    struct crowd *c = m->crowd;
    struct crowd_op *op = calloc(1, sizeof *op);

    rn_assert(op != NULL);
    *op = (struct crowd_op){ .id = ++c->ops, .n_cases = n, .deadline = deadline, .at = -1 };
    for (uint32_t i = 0; i < n; i++) {
        op->cases[i].tie = ties[i];
        op->cases[i].element = c->elements.n;
        if (ties[i]->direction == WIRE_IN)
            continue;
        struct crowd_element e = { .sender = { .number = op->id } };
        memcpy(e.sender.instance, m->instance, sizeof e.sender.instance);
        row_add(&c->elements, e);
    }
    row_add(&m->ops, op);
    member_work(m);
}

void op_give_up(struct member *m, struct crowd_op *op)
{
    struct tie *t = op->at >= 0 ? op->cases[op->at].tie : NULL;

    op->given_up = true;
    if (t != NULL && t->direction == WIRE_OUT && !op->withdrawn && !t->unbinding) {
        op->withdrawn = true;
        tie_say(t, (struct wire_control){ .what = WIRE_WITHDRAW, .number = op->number });
    }
    member_work(m);
}

void op_yield(struct member *m, struct crowd_op *op)
{
    struct tie *t = op->cases[op->at].tie;

    answer(t, op->number, WIRE_REFUSE);
    release(op);
    member_work(m);
}

void tie_unbind(struct tie *t)
{
    collect(t);
    t->unbinding = true;
    if (t->direction == WIRE_IN)
        fail_receives(t);
    tie_say(t, (struct wire_control){ .what = WIRE_UNBIND });
    member_work(t->member);
}

void tie_close(struct tie *t, int32_t reason)
{
    collect(t);
    if (t->direction == WIRE_OUT || reason < 0)
        t->closed = true;
    if (t->direction == WIRE_IN && reason < 0)
        fail_receives(t);
    tie_say(t, (struct wire_control){ .what = WIRE_CLOSE, .recall = { .reason = reason } });
    member_work(t->member);
}
