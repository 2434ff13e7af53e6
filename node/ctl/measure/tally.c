/* tally.c - see tally.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/tally.h"

#include <errno.h>
#include <stdlib.h>

int tally_init(struct tally *t, struct tally_log *log, uint64_t base, uint64_t n)
{
    struct tally_run *open = calloc(n > 0 ? n : 1, sizeof *open);

    if (open == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < n; i++)
        open[i].stream = base + i;
    *t = (struct tally){ .log = log, .base = base, .n = n, .open = open };
    return 0;
}

static void keep(struct tally_log *log, const struct tally_run *run)
{
    if (run->end == run->first)
        return;
    /* Relaxed: the log is read when all consumers have ended. */
    uint64_t at = atomic_fetch_add_explicit(&log->runs, 1, memory_order_relaxed);
    if (at < TALLY_RUNS)
        log->run[at] = *run;
}

void tally_fini(struct tally *t)
{
    for (uint64_t i = 0; i < t->n; i++)
        keep(t->log, &t->open[i]);
    free(t->open);
    *t = (struct tally){ 0 };
}

void tally_break(struct tally *t, uint64_t stream, uint64_t number)
{
    uint64_t i = stream - t->base;

    if (i >= t->n) {
        atomic_fetch_add(&t->log->alien, 1);
        return;
    }
    if (number < t->open[i].end)
        atomic_fetch_add(&t->log->disordered, 1);
    keep(t->log, &t->open[i]);
    t->open[i].first = number;
    t->open[i].end = number + 1;
}

static int compare(const void *a, const void *b)
{
    const struct tally_run *x = a, *y = b;

    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Counts the runs of one stream, which are in order; gives how many there were. */
static uint64_t judge_stream(const struct tally_run *run, uint64_t n, uint64_t stream,
                             uint64_t sent, struct tally_verdict *v)
{
    uint64_t i = 0, known = 0, received = 0; /* all numbers below `known` are dealt with */

    for (; i < n && run[i].stream == stream; i++) {
        uint64_t end = run[i].end < sent ? run[i].end : sent;
        uint64_t first = run[i].first < end ? run[i].first : end;
        uint64_t fresh = first > known ? first : known;

        v->alien += (run[i].end - run[i].first) - (end - first);
        fresh = fresh < end ? end - fresh : 0;
        received += fresh;
        v->doubled += (end - first) - fresh;
        known = end > known ? end : known;
    }
    v->received += received;
    v->lost += sent - received;
    return i;
}

struct tally_verdict tally_judge(struct tally_log *log, const uint64_t *sent, uint64_t streams)
{
    struct tally_verdict v = { .disordered = log->disordered, .alien = log->alien };
    uint64_t runs = log->runs, at = 0;

    v.complete = runs <= TALLY_RUNS;
    if (!v.complete)
        return v;
    qsort(log->run, runs, sizeof *log->run, compare);
    for (uint64_t s = 0; s < streams; s++)
        at += judge_stream(log->run + at, runs - at, s, sent[s], &v);
    return v;
}
