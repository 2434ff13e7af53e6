/* crowd.c - a core among model nodes whose operations meet.   SPDX-License-Identifier: MIT */
#include "tests/core/crowd.h"

#include "broker/core/binding.h"
#include "runtime/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

static uint64_t next_random(void *arg)
{
    struct crowd *c = arg;

    c->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = c->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t crowd_below(struct crowd *c, uint64_t n)
{
    return next_random(c) % n;
}

/* Memory may run out while the core runs, and only there. */
static void enter(struct crowd *c)
{
    if (c->fail_in != NULL)
        *c->fail_in = c->left;
}

static void leave(struct crowd *c)
{
    if (c->fail_in == NULL)
        return;
    c->left = *c->fail_in;
    *c->fail_in = -1;
}

/* ---- pipes -------------------------------------------------------------------------------------------------------- */

struct crowd_message *crowd_message_new(void)
{
    struct crowd_message *m = calloc(1, sizeof *m);

    rn_assert(m != NULL);
    return m;
}

static void message_free(struct crowd_message *m)
{
    if (m->frame != NULL)
        frame_unref(m->frame);
    free(m);
}

void tie_say(struct tie *t, struct wire_control c)
{
    struct crowd_message *m = crowd_message_new();

    c.bind = t->number;
    m->control = c;
    row_add(&t->member->up, m);
}

/* These stay behind data that was said before them. */
static bool is_barrier(enum wire_what what)
{
    return what == WIRE_UNBIND || what == WIRE_UNBOUND || what == WIRE_CLOSE ||
           what == WIRE_CLOSED_ || what == WIRE_FAILED_ || what == WIRE_RECALL ||
           what == WIRE_WITHDRAW;
}

/* The first, or, when controls may pass, the first control that may. */
static size_t next_message(struct crowd *c, struct crowd_message **at, size_t n)
{
    if (!c->overtake || !at[0]->data || crowd_below(c, 2) == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!at[i]->data)
            return is_barrier(at[i]->control.what) ? 0 : i;
    }
    return 0;
}

static struct tie *tie_of(struct member *m, uint32_t number)
{
    rn_assert(number > 0 && number <= m->ties.n);
    return m->ties.at[number - 1];
}

static struct crowd_element *element_of(struct tie *t, uint64_t number)
{
    rn_assert(number > 0 && number <= t->offered.n);
    return &t->member->crowd->elements.at[t->offered.at[number - 1]];
}

/* What the core says is noted when it says it: then it is so, whether it arrives or not. */
static int out_control(void *owner, const struct wire_control *c)
{
    struct member *m = owner;
    struct crowd_message *message;
    long *fail_in = m->crowd->fail_in, left = fail_in != NULL ? *fail_in : 0;

    if (fail_in != NULL)
        *fail_in = -1;
    message = crowd_message_new();
    message->control = *c;
    row_add(&m->down, message);
    if (fail_in != NULL)
        *fail_in = left;
    if (c->what == WIRE_COMMIT && tie_of(m, c->bind)->direction == WIRE_OUT) {
        struct crowd_element *e = element_of(tie_of(m, c->bind), c->meet.number);
        rn_assert(!e->accepted);
        e->accepted = true;
        e->incarnation = tie_of(m, c->bind)->incarnation;
    }
    return 0;
}

static void out_ready(void *owner)
{
    ((struct member *)owner)->ready = true;
}

/* ---- moving ---------------------------------------------------------------------------------------------------------------- */

static bool was_cancelled(const struct crowd *c, uint64_t incarnation)
{
    for (size_t i = 0; i < c->cancelled.n; i++) {
        if (c->cancelled.at[i] == incarnation)
            return true;
    }
    return false;
}

/* What is taken crosses a cancel, and is dropped for the home. */
static void note_said(struct member *m, const struct wire_control *c)
{
    struct crowd *w = m->crowd;
    struct tie *t = tie_of(m, c->bind);

    if (c->what == WIRE_CLOSE && t->direction == WIRE_IN && c->recall.reason < 0)
        row_add(&w->cancelled, t->incarnation);
    if (c->what != WIRE_TAKEN || was_cancelled(w, t->incarnation))
        return;
    for (size_t i = t->got.n; i-- > 0;)
        w->elements.at[t->got.at[i].element].known_taken |= t->got.at[i].number <= c->number;
}

bool crowd_up(struct member *m)
{
    struct crowd *c = m->crowd;
    const char *why = "";
    int rc;

    if (m->session == NULL || m->up.n == 0)
        return false;
    size_t i = next_message(c, m->up.at, m->up.n);
    struct crowd_message *message = m->up.at[i];
    memmove(m->up.at + i, m->up.at + i + 1, (--m->up.n - i) * sizeof *m->up.at);
    enter(c);
    if (message->data)
        rc = core_section(c->core, m->session, &message->section, message->frame, c->now, &why);
    else
        rc = core_control(c->core, m->session, &message->control, c->now, &why);
    leave(c);
    if (rc == 0 && !message->data)
        note_said(m, &message->control);
    message_free(message);
    core_check(c->core);
    c->moved++;
    if (rc == -EPROTO)
        fprintf(stderr, "core: %s\n", why);
    rn_assert(rc == 0 || rc == -ENOMEM);
    if (rc == -ENOMEM)
        member_end(m); /* what a driver does */
    return true;
}

bool crowd_down(struct member *m)
{
    if (m->session == NULL || m->down.n == 0)
        return false;
    size_t i = next_message(m->crowd, m->down.at, m->down.n);
    struct crowd_message *message = m->down.at[i];
    memmove(m->down.at + i, m->down.at + i + 1, (--m->down.n - i) * sizeof *m->down.at);
    if (message->data)
        member_take(tie_of(m, message->section.bind), &message->section);
    else
        member_hear(tie_of(m, message->control.bind), &message->control);
    message_free(message);
    member_work(m);
    return true;
}

static void pull(struct member *m)
{
    struct crowd *c = m->crowd;
    struct wire_section s;

    m->ready = false;
    for (bool more = true; more;) {
        enter(c);
        more = core_pull(c->core, m->session, 65536, &s);
        leave(c);
        if (!more)
            return;
        struct crowd_message *message = crowd_message_new();
        message->data = true;
        message->section = s;
        message->frame = frame_new(s.size);
        rn_assert(message->frame != NULL);
        memcpy(message->frame->data, s.body, s.size);
        message->section.body = message->frame->data;
        row_add(&m->down, message);
    }
}

void crowd_flush(struct crowd *c)
{
    enter(c);
    core_flush(c->core);
    leave(c);
    core_check(c->core);
    for (size_t i = 0; i < c->members.n; i++) {
        struct member *m = c->members.at[i];
        if (m->session != NULL && m->ready && !m->frozen)
            pull(m);
    }
    core_check(c->core);
}

void crowd_tick(struct crowd *c, int64_t ms)
{
    c->now += ms * MS;
    enter(c);
    core_tick(c->core, c->now);
    leave(c);
    core_check(c->core);
    for (size_t i = 0; i < c->members.n; i++) {
        if (c->members.at[i]->session != NULL)
            member_work(c->members.at[i]);
    }
}

bool crowd_settle(struct crowd *c)
{
    uint64_t ops = 10, limit;

    c->lazy = false;
    for (size_t i = 0; i < c->members.n; i++) {
        if (c->members.at[i]->session != NULL)
            member_work(c->members.at[i]);
    }
    for (size_t i = 0; i < c->members.n; i++)
        ops += c->members.at[i]->ops.n + c->members.at[i]->up.n + c->members.at[i]->down.n;
    limit = c->moved + 100 * ops;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < c->members.n; i++) {
            struct member *m = c->members.at[i];
            while (!m->frozen && crowd_up(m))
                moved = true;
            crowd_flush(c);
            while (!m->frozen && crowd_down(m))
                moved = true;
        }
        if (c->moved > limit)
            return false;
    }
    return true;
}

/* ---- the world ------------------------------------------------------------------------------------------------------------- */

struct crowd *crowd_new(uint64_t seed)
{
    struct crowd *c = calloc(1, sizeof *c);

    rn_assert(c != NULL);
    c->random = seed;
    c->now = 1000000000;
    c->core = core_new(&(struct core_opts){
        .out = { .control = out_control, .ready = out_ready },
        .random = next_random,
        .random_arg = c,
        .fold_ns = 1, /* all that can be folded is folded */
    });
    rn_assert(c->core != NULL);
    return c;
}

static void free_ops(struct member *m)
{
    for (size_t i = 0; i < m->ops.n; i++)
        free(m->ops.at[i]);
    m->ops.n = 0;
}

static void member_free(struct member *m)
{
    free_ops(m);
    for (size_t i = 0; i < m->up.n; i++)
        message_free(m->up.at[i]);
    for (size_t i = 0; i < m->down.n; i++)
        message_free(m->down.at[i]);
    for (size_t i = 0; i < m->ties.n; i++) {
        free(m->ties.at[i]->offered.at);
        free(m->ties.at[i]->held.at);
        free(m->ties.at[i]->answers.at);
        free(m->ties.at[i]->got.at);
        free(m->ties.at[i]);
    }
    free(m->ties.at);
    free(m->ops.at);
    free(m->up.at);
    free(m->down.at);
    free(m);
}

void crowd_free(struct crowd *c)
{
    core_check(c->core);
    core_free(c->core);
    for (size_t i = 0; i < c->members.n; i++)
        member_free(c->members.at[i]);
    free(c->members.at);
    free(c->elements.at);
    free(c->cancelled.at);
    free(c);
}

struct member *member_new(struct crowd *c, const struct member *again)
{
    struct member *m = calloc(1, sizeof *m);

    rn_assert(m != NULL);
    m->crowd = c;
    for (size_t i = 0; i < sizeof m->instance; i++)
        m->instance[i] = again != NULL ? again->instance[i] : (uint8_t)crowd_below(c, 256);
    enter(c);
    m->session = core_session_new(c->core, "member", m->instance, m);
    leave(c);
    if (m->session == NULL) {
        free(m);
        return NULL;
    }
    row_add(&c->members, m);
    return m;
}

void member_end(struct member *m)
{
    struct crowd *c = m->crowd;

    /* What was taken here and not reported may come again elsewhere. */
    for (size_t i = 0; i < m->ties.n; i++) {
        const struct tie *t = m->ties.at[i];
        for (size_t k = 0; k < t->got.n; k++) {
            struct crowd_element *e = &c->elements.at[t->got.at[k].element];
            e->lost_report |= !e->known_taken;
        }
    }
    core_session_end(c->core, m->session, c->now);
    m->session = NULL;
    free_ops(m);
    core_check(c->core);
}

struct tie *tie_new(struct member *m, const char *name, enum wire_direction d, int64_t capacity)
{
    struct tie *t = calloc(1, sizeof *t);
    struct wire_control c = { .what = WIRE_BIND };

    rn_assert(t != NULL);
    t->member = m;
    t->name = name;
    t->direction = d;
    row_add(&m->ties, t);
    t->number = (uint32_t)m->ties.n;
    c.bind_.name = name;
    c.bind_.direction = d;
    c.bind_.attributes.type = "";
    c.bind_.attributes.capacity = capacity;
    if (capacity != 0)
        c.bind_.attributes.capacity_bytes = m->crowd->bytes;
    tie_say(t, c);
    return t;
}

/* ---- what is wrong ----------------------------------------------------------------------------------------------------------- */

const char *crowd_fault(const struct crowd *c)
{
    for (size_t i = 0; i < c->elements.n; i++) {
        const struct crowd_element *e = &c->elements.at[i];
        if (e->taken > 0 && !e->accepted)
            return "an element was taken that was never accepted";
        if (e->taken > 1 && !e->lost_report)
            return "an element was taken twice although every session lived";
    }
    return NULL;
}

const char *crowd_loss(const struct crowd *c)
{
    for (size_t i = 0; i < c->elements.n; i++) {
        const struct crowd_element *e = &c->elements.at[i];
        if (e->accepted && e->taken == 0 && !was_cancelled(c, e->incarnation))
            return "an element was accepted and never taken";
    }
    return NULL;
}

/* Is there a receive of another operation that this send could meet? */
static bool could_meet(const struct crowd *c, const struct crowd_op *send, const struct tie *out)
{
    for (size_t i = 0; i < c->members.n; i++) {
        const struct member *m = c->members.at[i];
        for (size_t k = 0; k < m->ops.n; k++) {
            const struct crowd_op *op = m->ops.at[k];
            for (uint32_t n = 0; n < op->n_cases && op != send && op->at < 0; n++) {
                const struct tie *t = op->cases[n].tie;
                if (t->direction == WIRE_IN && tie_open(t) && t->incarnation == out->incarnation)
                    return true;
            }
        }
    }
    return false;
}

static const char *stands(const struct crowd *c, const struct crowd_op *op)
{
    if (op->at >= 0 && (op->n_cases > 1 || op->cases[0].tie->direction == WIRE_IN))
        return "an operation stays tentative";
    for (uint32_t i = 0; i < op->n_cases; i++) {
        const struct tie *t = op->cases[i].tie;
        if (t->direction == WIRE_OUT && tie_open(t) && could_meet(c, op, t))
            return "a send and a receive wait for each other";
    }
    return NULL;
}

/* Home and node count the same, once all has been said. */
static const char *counts(struct tie *t)
{
    struct binding *b;
    uint64_t sole;
    uint32_t n = tie_waiting(t, &sole);

    if (!tie_open(t) || t->capacity != WIRE_RENDEZVOUS)
        return NULL;
    if (!binding_find(t->member->session, t->number, &b) || b == NULL)
        return "the home does not know a binding";
    if (b->waiting != n)
        return "home and node differ about how many wait";
    if (b->adjusted != t->adjusted)
        return "home and node differ about what the home has changed";
    if (b->waiting == 1 && n == 1 && b->sole != sole && sole != 0)
        return "the home does not know the only operation that waits";
    return NULL;
}

const char *crowd_standstill(const struct crowd *c)
{
    const char *fault;

    for (size_t i = 0; i < c->members.n; i++) {
        const struct member *m = c->members.at[i];
        for (size_t k = 0; k < m->ties.n && m->session != NULL; k++) {
            if (m->ties.at[k]->held.n > 0)
                return "a claim stays held";
            if ((fault = counts(m->ties.at[k])) != NULL)
                return fault;
        }
        for (size_t k = 0; k < m->ops.n; k++) {
            if ((fault = stands(c, m->ops.at[k])) != NULL)
                return fault;
        }
    }
    return NULL;
}
