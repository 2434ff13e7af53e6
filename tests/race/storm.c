/* storm.c - many operations of channels, selects and locks under the race detector, and no report.   SPDX-License-Identifier: MIT
 *
 *   storm [--ops N] [--seconds S] [--floor N] [--workers N]
 *
 * Goes on until so many operations were done, or so many seconds have passed (0: never), in which at least --floor must have
 * been.  Everything that is shared is plain memory, in order by nothing but the operations; at the end the sums are right. */
#include <runnel/sync.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM   8   /* of them storm at once, each with its own */
#define ROUNDS 200 /* between two looks at whether it is enough */

static int64_t ops_wanted = 1000000, ops_floor = 1, seconds;
static int workers = 2;
static rn_time begun;
static _Atomic int64_t ops; /* relaxed: of all, which orders nothing */

static bool enough(int64_t more)
{
    int64_t n = atomic_fetch_add_explicit(&ops, more, memory_order_relaxed) + more;

    return n >= ops_wanted || (seconds > 0 && rn_now() - begun > seconds * RN_SEC);
}

static void claim(bool so, const char *what)
{
    if (!so)
        rn_panic("storm: %s", what);
}

/* ---- one corner of it: who sends, who passes on, who sums, and who count under locks ---- */

struct corner {
    rn_chan *straight, *buffered, *back;
    rn_mutex mutex;
    rn_rwmutex rw;
    rn_sem sem;
    int64_t lent;   /* sender's and receiver's in turn: by the channels */
    int64_t count;  /* guarded by mutex */
    int64_t value;  /* guarded by rw */
    int64_t turns;  /* guarded by sem */
    int64_t locked; /* how often, by both; read when they have ended */
};

static void sends(void *arg)
{
    struct corner *c = *(struct corner **)arg;
    int64_t n = 0, got;

    do {
        for (int i = 0; i < ROUNDS; i++, n++) {
            rn_case to[] = { { c->straight, &n, RN_SEND, 0 }, { c->buffered, &n, RN_SEND, 0 } };

            c->lent = n;
            if (i % 2 == 0)
                rn_chan_send(c->straight, &n, RN_FOREVER);
            else
                rn_select(to, 2, RN_FOREVER);
            rn_chan_recv(c->back, &got, RN_FOREVER);
            claim(c->lent == -n && got == n, "what was lent has not come back");
        }
    } while (!enough(4 * ROUNDS)); /* two sends, two receives */
    rn_chan_close(c->straight);
}

static void receives(void *arg)
{
    struct corner *c = *(struct corner **)arg;
    int64_t n = 0;

    for (;;) {
        rn_case from[] = { { c->straight, &n, RN_RECV, 0 }, { c->buffered, &n, RN_RECV, 0 } };
        int fired = rn_select(from, 2, RN_FOREVER);

        if (from[fired].rc < 0)
            return;
        claim(c->lent == n, "an element without what was written before it");
        c->lent = -n;
        rn_chan_send(c->back, &n, RN_FOREVER);
    }
}

static void locks(void *arg)
{
    struct corner *c = *(struct corner **)arg;
    int64_t n = 0, seen;

    do {
        for (int i = 0; i < ROUNDS; i++, n++) {
            rn_mutex_lock(&c->mutex);
            c->count++;
            rn_mutex_unlock(&c->mutex);
            rn_rwmutex_rlock(&c->rw);
            seen = c->value;
            rn_rwmutex_runlock(&c->rw);
            rn_rwmutex_lock(&c->rw);
            claim(c->value >= seen, "a value that went back");
            c->value++;
            rn_rwmutex_unlock(&c->rw);
            rn_sem_acquire(&c->sem, 1, RN_FOREVER);
            c->turns++;
            rn_sem_release(&c->sem, 1);
            if (i % 16 == 0)
                rn_yield();
        }
    } while (!enough(8 * ROUNDS));
    rn_mutex_lock(&c->mutex);
    c->locked += n;
    rn_mutex_unlock(&c->mutex);
}

static int storm(void *arg)
{
    static struct corner corners[ROOM];
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < ROOM; i++) {
        struct corner *c = &corners[i];

        c->straight = rn_chan_new(sizeof(int64_t), 0, NULL);
        c->buffered = rn_chan_new(sizeof(int64_t), 3, NULL);
        c->back = rn_chan_new(sizeof(int64_t), 1, NULL);
        rn_sem_release(&c->sem, 1);
        rn_group_go(g, sends, &c, sizeof c);
        rn_group_go(g, receives, &c, sizeof c);
        rn_group_go(g, locks, &c, sizeof c);
        rn_group_go(g, locks, &c, sizeof c);
    }
    rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
    for (int i = 0; i < ROOM; i++) {
        struct corner *c = &corners[i];

        claim(c->count == c->locked && c->value == c->locked && c->turns == c->locked,
              "a sum is wrong");
        rn_chan_unref(c->straight);
        rn_chan_unref(c->buffered);
        rn_chan_unref(c->back);
    }
    return 0;
}

/* ---- */

/* TSan calls it for each report. */
void __tsan_on_report(void *report);

static _Atomic int reports;

__attribute__((no_sanitize("thread"))) void __tsan_on_report(void *report)
{
    (void)report;
    reports++;
}

static int64_t number(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end == text || *end != '\0' || n < 0) {
        fprintf(stderr, "storm: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

static void take(const char *option, const char *value)
{
    if (strcmp(option, "--ops") == 0)
        ops_wanted = number(value);
    else if (strcmp(option, "--seconds") == 0)
        seconds = number(value);
    else if (strcmp(option, "--floor") == 0)
        ops_floor = number(value);
    else if (strcmp(option, "--workers") == 0)
        workers = (int)number(value);
    else
        exit(2);
}

int main(int argc, char **argv)
{
    int rc;

    for (int i = 1; i + 1 < argc; i += 2)
        take(argv[i], argv[i + 1]);
    begun = rn_now();
    rc = rn_main(workers, storm, NULL);
    printf("storm: %" PRId64 " operations in %" PRId64 " s, %d races\n", ops,
           (rn_now() - begun) / RN_SEC, reports);
    if (ops < ops_floor)
        fprintf(stderr, "storm: fewer than %" PRId64 "\n", ops_floor);
    return rc != 0 || reports > 0 || ops < ops_floor;
}
