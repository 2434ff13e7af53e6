/* tally.c - see tally.h.   SPDX-License-Identifier: MIT
 *
 * What makes an element count as lost: its sender knows that the home accepted it, or a later one of the same handle was
 * taken (the home accepts a handle's elements in order, so a hole is a loss even among those in doubt), and nobody took
 * it. */
#include "tests/e2e/tally.h"

#include <errno.h>
#include <stdlib.h>

/* What became of one element. */
struct fate {
    uint32_t taken;
    uint32_t alive;  /* of these, by sessions that did not end before their handle did */
    int64_t last_ns; /* when the last receive that gave it was called */
};

struct tallying {
    struct tally *t;
    const struct party *parties;
    size_t n;
    enum tally_rule rule;
    struct fate **fates; /* per sender, per element */
};

/* Did the session of that handle go on until the handle was unbound? */
static bool handle_lived(const struct party *p, uint32_t handle)
{
    return !p->killed && handle == p->ledger->handle && p->ledger->orderly;
}

static struct fate *fate_of(struct tallying *w, const struct entry *e)
{
    const struct party *p;

    if (e->sender >= w->n || !w->parties[e->sender].sender || e->seq == 0)
        return NULL;
    p = &w->parties[e->sender];
    return e->seq <= p->ledger->entries ? &w->fates[e->sender][e->seq - 1] : NULL;
}

static void count_taken(struct tallying *w, const struct party *p)
{
    uint64_t entries = p->ledger->entries;

    /* One more: a process may be killed between the entry and the count of entries. */
    for (uint64_t i = 0; i <= entries && i < LEDGER_ENTRIES; i++) {
        const struct entry *e = &p->ledger->entry[i];
        struct fate *f;

        if (e->state != ENTRY_TAKEN)
            continue;
        w->t->taken++;
        f = fate_of(w, e);
        if (f == NULL) {
            w->t->ghosts++;
            continue;
        }
        f->taken++;
        f->alive += handle_lived(p, e->handle);
        if (e->called_ns > f->last_ns)
            f->last_ns = e->called_ns;
    }
}

/* What a session had taken and not told the home is the end of what it had taken.  That another receive came later is
 * certain only if it was called later: a process that was stopped in a receive notes it when it goes on. */
static void count_uneven(struct tallying *w, const struct party *p)
{
    uint32_t handle = 0;
    bool again = false;

    for (uint64_t i = 0; i < p->ledger->entries; i++) {
        const struct entry *e = &p->ledger->entry[i];
        const struct fate *f = fate_of(w, e);

        if (e->handle != handle)
            again = false;
        handle = e->handle;
        if (f == NULL || e->state != ENTRY_TAKEN)
            continue;
        w->t->uneven += again && f->taken == 1;
        again |= f->last_ns > e->at_ns;
    }
}

static bool known_accepted(const struct tallying *w, const struct party *p, uint64_t i)
{
    const struct entry *e = &p->ledger->entry[i];

    if (w->rule == TALLY_HOME_DIES && e->handle != p->ledger->handle)
        return false;
    return e->state == ENTRY_SENT && i < p->ledger->confirmed;
}

static void count_fate(struct tallying *w, const struct party *p, uint64_t i, bool later_taken)
{
    const struct fate *f = &w->fates[p - w->parties][i];
    uint32_t state = p->ledger->entry[i].state;

    w->t->sent += state == ENTRY_SENT || state == ENTRY_IN_DOUBT;
    w->t->distinct += f->taken > 0;
    if (state == ENTRY_NOT_SENT) {
        w->t->ghosts += f->taken > 0;
        return;
    }
    if (f->taken == 0)
        w->t->missing += later_taken || known_accepted(w, p, i);
    if (f->alive > 1 || (w->rule == TALLY_HOME_DIES && f->taken > 1))
        w->t->doubled++;
    else if (f->taken > 1)
        w->t->redelivered += f->taken - 1;
    w->t->in_doubt += state == ENTRY_IN_DOUBT || state == ENTRY_CALLED ||
                      (p->killed && i >= p->ledger->confirmed);
}

static void count_sent(struct tallying *w, const struct party *p)
{
    uint32_t handle = 0;
    bool later_taken = false;

    for (uint64_t i = p->ledger->entries; i-- > 0;) {
        if (p->ledger->entry[i].handle != handle)
            later_taken = false;
        handle = p->ledger->entry[i].handle;
        count_fate(w, p, i, later_taken);
        later_taken |= w->fates[p - w->parties][i].taken > 0;
    }
}

/* With one receiver, whose session lived, all orders agree. */
static void count_disordered(struct tallying *w)
{
    const struct party *only = NULL;
    uint64_t *newest;

    for (size_t i = 0; i < w->n; i++) {
        if (w->parties[i].sender)
            continue;
        if (only != NULL)
            return;
        only = &w->parties[i];
    }
    newest = calloc(w->n, sizeof *newest);
    if (only == NULL || newest == NULL || !handle_lived(only, 1)) {
        free(newest);
        return;
    }
    for (uint64_t i = 0; i < only->ledger->entries; i++) {
        const struct entry *e = &only->ledger->entry[i];

        if (e->sender >= w->n)
            continue;
        w->t->disordered += e->seq <= newest[e->sender];
        newest[e->sender] = e->seq;
    }
    free(newest);
}

static int fates_new(struct tallying *w)
{
    w->fates = calloc(w->n, sizeof(struct fate *));
    if (w->fates == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++) {
        if (!w->parties[i].sender)
            continue;
        w->fates[i] = calloc(w->parties[i].ledger->entries + 1, sizeof(struct fate));
        if (w->fates[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static void fates_free(struct tallying *w)
{
    for (size_t i = 0; w->fates != NULL && i < w->n; i++)
        free(w->fates[i]);
    free(w->fates);
}

int tally_count(struct tally *t, const struct party *parties, size_t n, enum tally_rule rule)
{
    struct tallying w = { .t = t, .parties = parties, .n = n, .rule = rule };
    int rc = fates_new(&w);

    *t = (struct tally){ 0 };
    for (size_t i = 0; rc == 0 && i < n; i++) {
        t->over += parties[i].ledger->handle - (parties[i].ledger->handle > 0);
        t->kills += !parties[i].sender && parties[i].killed;
        if (!parties[i].sender)
            count_taken(&w, &parties[i]);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (parties[i].sender)
            count_sent(&w, &parties[i]);
        else if (rule == TALLY_HOME_LIVES)
            count_uneven(&w, &parties[i]);
    }
    if (rc == 0)
        count_disordered(&w);
    fates_free(&w);
    return rc;
}

void tally_add(struct tally *sum, const struct tally *t)
{
    sum->sent += t->sent;
    sum->taken += t->taken;
    sum->distinct += t->distinct;
    sum->in_doubt += t->in_doubt;
    sum->redelivered += t->redelivered;
    sum->over += t->over;
    sum->missing += t->missing;
    sum->doubled += t->doubled;
    sum->ghosts += t->ghosts;
    sum->disordered += t->disordered;
    sum->uneven += t->uneven;
    sum->kills += t->kills;
}

uint64_t tally_late(const struct ledger *l, uint64_t from, uint32_t handle, int64_t after_ns)
{
    uint64_t late = 0, entries = l->entries;

    for (uint64_t i = from; i < entries; i++)
        late += l->entry[i].handle == handle && l->entry[i].at_ns > after_ns;
    return late;
}
