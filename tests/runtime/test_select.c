/* test_select.c - one of several operations.   SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "tests/runtime/channels.h"

/* ---- results --------------------------------------------------------------------------- */

static int in_results(void *arg)
{
    rn_chan *a = rn_chan_new(sizeof(int), 1, NULL), *b = rn_chan_new(sizeof(int), 1, NULL);
    int x = 4, y = -1;
    rn_case cases[] = {
        { a, &y, RN_RECV, 55 },
        { NULL, &y, RN_RECV, 55 },
        { b, &x, RN_OFF, 55 },
        { b, &y, RN_RECV, 55 },
    };
    rn_case many[65] = { 0 };

    (void)arg;
    check_equal(rn_select(cases, RN_LEN(cases), RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_select(cases, RN_LEN(cases), rn_after(RN_MS)), RN_ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        check_equal(cases[i].rc, 55);
    check_equal(waiting(a, RN_RECV) + waiting(b, RN_RECV), 0);
    check_equal(rn_chan_send(b, &x, RN_NOWAIT), 0);
    check_equal(rn_select(cases, RN_LEN(cases), RN_FOREVER), 3);
    check_equal(cases[3].rc, 0);
    check_equal(y, 4);
    check_equal(cases[0].rc, 55);
    rn_chan_close(a);
    check_equal(rn_select(cases, RN_LEN(cases), RN_NOWAIT), 0);
    check_equal(cases[0].rc, RN_ECLOSED);
    check_equal(y, 4);
    check_equal(rn_select(many, 65, RN_NOWAIT), -EINVAL);
    check_equal(rn_select(many, -1, RN_NOWAIT), -EINVAL);
    check_equal(rn_select(many, 64, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_select(NULL, 0, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_select(NULL, 0, rn_after(RN_MS)), RN_ETIMEDOUT);
    rn_chan_unref(a);
    rn_chan_unref(b);
    return 0;
}

/* Go: select.go, select4.go. */
static void index_and_result_are_those_of_the_chosen_case(void **state)
{
    (void)state;
    run_inside(in_results, NULL);
}

static int in_fair(void *arg)
{
    rn_chan *c[4];
    rn_case cases[4];
    int hits[4] = { 0 };

    (void)arg;
    for (int i = 0; i < 4; i++) {
        c[i] = rn_chan_new(0, 1, NULL);
        check_equal(rn_chan_send(c[i], NULL, RN_NOWAIT), 0);
        cases[i] = (rn_case){ c[i], NULL, RN_RECV, 0 };
    }
    for (int i = 0; i < 8000; i++) {
        int k = rn_select(cases, 4, RN_FOREVER);

        check(k >= 0 && k < 4);
        hits[k]++;
        check_equal(rn_chan_send(c[k], NULL, RN_NOWAIT), 0);
    }
    for (int i = 0; i < 4; i++) {
        check(hits[i] > 1700 && hits[i] < 2300); /* 2000 +- 7.7 sigma */
        rn_chan_unref(c[i]);
    }
    return 0;
}

/* Go: TestSelectFairness. */
static void ready_cases_are_chosen_fairly(void **state)
{
    (void)state;
    run_inside(in_fair, NULL);
}

/* ---- several cases, one channel ------------------------------------------------------------ */

static int in_itself(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 0, NULL);
    int x = 1, y = 0;
    rn_case cases[] = { { c, &x, RN_SEND, 0 }, { c, &y, RN_RECV, 0 }, { c, &x, RN_SEND, 0 } };

    (void)arg;
    check_equal(rn_select(cases, 3, rn_after(RN_MS)), RN_ETIMEDOUT); /* nobody meets himself */
    check_equal(waiting(c, RN_SEND) + waiting(c, RN_RECV), 0);
    rn_chan_close(c);
    check(rn_select(cases, 3, RN_FOREVER) >= 0);
    rn_chan_unref(c);
    return 0;
}

static void select_does_not_meet_itself(void **state)
{
    (void)state;
    run_inside(in_itself, NULL);
}

static void swap_fn(void *arg)
{
    rn_chan *c = *(rn_chan **)arg;
    int mine = 1, theirs = 0;
    rn_case cases[] = { { c, &mine, RN_SEND, 0 },
                        { c, &theirs, RN_RECV, 0 },
                        { c, &mine, RN_SEND, 0 } };

    for (int i = 0; i < 5000; i++) {
        int k = rn_select(cases, 3, RN_FOREVER);

        if (k >= 0 && cases[k].rc == RN_ECLOSED)
            return;
        check(k >= 0 && cases[k].rc == 0);
    }
    rn_chan_close(c);
}

static int in_swap(void *arg)
{
    rn_chan *c = rn_chan_new(sizeof(int), 0, NULL);
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 4; i++)
        check_equal(rn_group_go(g, swap_fn, &c, sizeof c), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c);
    return 0;
}

static void selects_that_send_and_receive_on_one_channel_meet(void **state)
{
    (void)state;
    run_inside(in_swap, NULL);
}

/* ---- exactly one ------------------------------------------------------------------------------- */

enum { CHANS = 4, SELECTORS = 6, EACH = 3000 };

struct table {
    rn_chan *c[CHANS];
    _Atomic uint64_t sent, received, sent_sum, received_sum;
};

static uint32_t next_random(uint32_t *r)
{
    return *r = *r * 1664525 + 1013904223;
}

/* Offers different numbers on all channels at once, or takes from all, with deadlines that often pass. */
static void selector_fn(void *arg)
{
    struct table *t = *(struct table **)arg;
    uint32_t r = (uint32_t)(uintptr_t)&t + (uint32_t)rn_now();
    uint64_t out[CHANS], in[CHANS];
    rn_case cases[2 * CHANS];

    for (int i = 0; i < EACH; i++) {
        rn_time deadline;
        int k;

        for (int c = 0; c < CHANS; c++) {
            out[c] = next_random(&r) >> 8;
            in[c] = 0;
            cases[c] = (rn_case){ t->c[c], &out[c], RN_SEND, 0 };
            cases[CHANS + c] = (rn_case){ t->c[(c + 1) % CHANS], &in[c], RN_RECV, 0 };
        }
        switch (next_random(&r) >> 30) {
        case 0:
            deadline = RN_NOWAIT;
            break;
        case 1:
            deadline = rn_after(2 * RN_US);
            break;
        default:
            deadline = rn_after(RN_MS);
        }
        k = rn_select(cases, 2 * CHANS, deadline);
        check(k >= 0 || k == RN_ETIMEDOUT);
        for (int c = 0; c < CHANS; c++)
            check(in[c] == 0 || k == CHANS + c); /* only the chosen one was written */
        if (k >= CHANS) {
            atomic_fetch_add(&t->received, 1);
            atomic_fetch_add(&t->received_sum, in[k - CHANS]);
        } else if (k >= 0) {
            atomic_fetch_add(&t->sent, 1);
            atomic_fetch_add(&t->sent_sum, out[k]);
        }
    }
}

static int in_exactly_one(void *arg)
{
    struct table table = { 0 }, *t = &table;
    rn_group *g = rn_group_new();
    uint64_t n, left = 0, left_sum = 0;

    for (int i = 0; i < CHANS; i++)
        t->c[i] = rn_chan_new(sizeof(uint64_t), *(size_t *)arg, NULL);
    for (int i = 0; i < SELECTORS; i++)
        check_equal(rn_group_go(g, selector_fn, &t, sizeof t), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    for (int i = 0; i < CHANS; i++) {
        check_equal(waiting(t->c[i], RN_SEND) + waiting(t->c[i], RN_RECV), 0);
        while (rn_chan_recv(t->c[i], &n, RN_NOWAIT) == 0) {
            left++;
            left_sum += n;
        }
        rn_chan_unref(t->c[i]);
    }
    check_equal(t->sent, t->received + left);
    check_equal(t->sent_sum, t->received_sum + left_sum);
    check(t->sent > 0);
    rn_group_free(g);
    return 0;
}

/* Go: doubleselect.go. */
static void exactly_one_case_is_performed(void **state)
{
    static size_t caps[] = { 0, 1, 5 };

    (void)state;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        run_inside(in_exactly_one, &caps[i]);
}

/* Closing against selecting: everybody comes back, and close is seen by all. */
static void until_closed_fn(void *arg)
{
    rn_chan **c = *(rn_chan ***)arg;
    rn_case cases[] = { { c[0], NULL, RN_RECV, 0 },
                        { c[1], NULL, RN_RECV, 0 },
                        { c[2], NULL, RN_SEND, 0 } };
    int k = rn_select(cases, 3, RN_FOREVER);

    check(k >= 0 && cases[k].rc == RN_ECLOSED);
}

static int in_close(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        rn_chan *c[3] = { rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL),
                          rn_chan_new(0, 0, NULL) },
                **p = c;
        rn_group *g = rn_group_new();

        for (int k = 0; k < 5; k++)
            check_equal(rn_group_go(g, until_closed_fn, &p, sizeof p), 0);
        if (i % 2)
            rn_yield();
        rn_chan_close(c[i % 3]);
        check_equal(rn_group_wait(g, RN_FOREVER), 0);
        rn_group_free(g);
        for (int k = 0; k < 3; k++)
            rn_chan_unref(c[k]);
    }
    return 0;
}

static void close_wakes_every_select(void **state)
{
    (void)state;
    run_inside(in_close, NULL);
}

/* ---- an operations table ------------------------------------------------------------------------ */

/* A channel that has one token at a time; all is counted. */
struct table_ops {
    int token; /* guarded by the channel's lock, as all but prepared and finished */
    int queued, unqueued, missed;
    _Atomic int prepared, finished, performed, released;
    int retries; /* how often finish asks for another try */
    int prepare_rc;
    int finish_rc;
};

static int t_prepare(rn_chan *c, struct rn__op *op)
{
    struct table_ops *t = rn__chan_bound(c);

    (void)op;
    if (t->prepare_rc < 0)
        return t->prepare_rc;
    t->prepared++;
    return 0;
}

static int t_attempt(rn_chan *c, struct rn__op *op)
{
    struct table_ops *t = rn__chan_bound(c);

    if (t->token == 0 || rn__chan_first(c, op->kind) != NULL)
        return RN__NOT_READY;
    t->token--;
    return 0;
}

static void t_queued(rn_chan *c, struct rn__op *op)
{
    (void)op;
    ((struct table_ops *)rn__chan_bound(c))->queued++;
}

static void t_unqueued(rn_chan *c, struct rn__op *op)
{
    (void)op;
    ((struct table_ops *)rn__chan_bound(c))->unqueued++;
}

static void t_hurry(rn_chan *c, struct rn__op *op)
{
    (void)c;
    (void)op;
}

static void t_missed(rn_chan *c, struct rn__op *op)
{
    (void)op;
    ((struct table_ops *)rn__chan_bound(c))->missed++;
}

static int t_finish(rn_chan *c, struct rn__op *op, int performed, int rc)
{
    struct table_ops *t = rn__chan_bound(c);

    (void)op;
    t->finished++;
    t->performed += performed;
    if (performed && t->retries > 0) {
        t->retries--;
        return RN__RETRY;
    }
    return performed && rc == 0 ? t->finish_rc : rc;
}

static void t_close(rn_chan *c, int reason)
{
    (void)c;
    (void)reason;
}

static int t_err(const rn_chan *c)
{
    (void)c;
    return -EIO;
}

static size_t t_len(const rn_chan *c)
{
    (void)c;
    return 3;
}

static size_t t_cap(const rn_chan *c)
{
    (void)c;
    return 9;
}

static void t_release(rn_chan *c)
{
    ((struct table_ops *)rn__chan_bound(c))->released++;
}

static const struct rn__chan_ops t_ops = { NULL,       NULL,    t_prepare, t_attempt, t_queued,
                                           t_unqueued, t_hurry, t_missed,  t_finish,  t_close,
                                           t_err,      t_len,   t_cap,     t_release };

static void t_give(rn_chan *c)
{
    struct table_ops *t = rn__chan_bound(c);
    struct rn__op *op;

    rn__chan_lock(c);
    op = rn__chan_claim(c, RN_RECV);
    if (op != NULL)
        rn__op_complete(op, 0);
    else
        t->token++;
    rn__chan_unlock(c);
}

static int in_bind(void *arg)
{
    rn_chan *c = rn_chan_new(0, 1, NULL);
    struct table_ops t = { 0 };

    (void)arg;
    check_equal(rn_chan_send(c, NULL, RN_NOWAIT), 0);
    check_equal(rn__chan_bind(c, &t_ops, &t), -EBUSY); /* not empty */
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), 0);
    check_equal(rn__chan_bind(c, &t_ops, &t), 0);
    check_equal(rn__chan_bind(c, &t_ops, &t), -EBUSY);
    check_equal(rn_chan_err(c), -EIO);
    check_equal(rn_chan_len(c), 3);
    check_equal(rn_chan_cap(c), 9);
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(t.missed, 1);
    check_equal(rn_chan_recv(c, NULL, rn_after(RN_MS)), RN_ETIMEDOUT);
    check(t.queued == 1 && t.unqueued == 1);
    t_give(c);
    t.retries = 1;
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT),
                RN_ETIMEDOUT); /* performed, undone, tried again: nothing left */
    check_equal(t.retries, 0);
    check_equal(t.prepared, t.finished);
    t_give(c);
    t.finish_rc = -EMSGSIZE;
    check_equal(rn_chan_recv(c, NULL, RN_NOWAIT), -EMSGSIZE);
    t.prepare_rc = -EBADF;
    check_equal(rn_chan_recv(c, NULL, RN_FOREVER), -EBADF);
    check_equal(t.prepared, t.finished);
    rn_chan_unref(c);
    check_equal(t.released, 1);
    return 0;
}

static void bound_channel_does_what_its_table_says(void **state)
{
    (void)state;
    run_inside(in_bind, NULL);
}

static int in_bound_select(void *arg)
{
    rn_chan *bound = rn_chan_new(0, 0, NULL), *local = rn_chan_new(sizeof(int), 1, NULL);
    struct table_ops t = { 0 };
    int n = 8;
    rn_case cases[] = { { local, &n, RN_RECV, 1 }, { bound, NULL, RN_RECV, 1 } };

    (void)arg;
    check_equal(rn__chan_bind(bound, &t_ops, &t), 0);
    check_equal(rn_select(cases, 2, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(t.missed, 1);
    check_equal(rn_select(cases, 2, rn_after(RN_MS)), RN_ETIMEDOUT);
    check(t.queued == 1 && t.unqueued == 1);
    check_equal(rn_chan_send(local, &n, RN_NOWAIT), 0);
    check_equal(rn_select(cases, 2, RN_FOREVER), 0);
    check_equal(t.performed, 0);
    check_equal(t.prepared, t.finished);
    t_give(bound);
    t.finish_rc = -EMSGSIZE;
    check_equal(rn_select(cases, 2, RN_FOREVER), 1);
    check_equal(cases[1].rc, -EMSGSIZE);
    t_give(bound);
    t.finish_rc = RN_ETIMEDOUT;
    check_equal(rn_select(cases, 2, RN_FOREVER), RN_ETIMEDOUT); /* withdrawn: none performed */
    t.prepare_rc = -EBADF;
    check_equal(rn_select(cases, 2, RN_FOREVER), 1);
    check_equal(cases[1].rc, -EBADF);
    check_equal(t.prepared, t.finished);
    rn_chan_unref(bound);
    rn_chan_unref(local);
    return 0;
}

static void select_mixes_bound_and_local_channels(void **state)
{
    (void)state;
    run_inside(in_bound_select, NULL);
}

static void taker_fn(void *arg)
{
    rn_chan **c = *(rn_chan ***)arg;
    rn_case cases[] = { { c[0], NULL, RN_RECV, 0 }, { c[1], NULL, RN_RECV, 0 } };

    for (;;) {
        int k = rn_select(cases, 2, rn_after(20 * RN_US));

        if (k == 1 && cases[1].rc == RN_ECLOSED)
            return;
        check(k == RN_ETIMEDOUT || (k == 0 && cases[0].rc == 0));
    }
}

/* Tokens given from one side are each taken once, whoever times out meanwhile. */
static int in_bound_race(void *arg)
{
    rn_chan *c[2] = { rn_chan_new(0, 0, NULL), rn_chan_new(0, 0, NULL) }, **p = c;
    struct table_ops t = { 0 };
    rn_group *g = rn_group_new();

    (void)arg;
    check_equal(rn__chan_bind(c[0], &t_ops, &t), 0);
    for (int i = 0; i < 4; i++)
        check_equal(rn_group_go(g, taker_fn, &p, sizeof p), 0);
    for (int i = 0; i < 3000; i++) {
        t_give(c[0]);
        if (i % 16 == 0)
            rn_yield();
    }
    rn_chan_close(c[1]);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check_equal(t.performed + t.token, 3000);
    check_equal(t.prepared, t.finished);
    rn_group_free(g);
    rn_chan_unref(c[0]);
    rn_chan_unref(c[1]);
    return 0;
}

static void token_of_a_bound_channel_is_taken_by_one_claim(void **state)
{
    (void)state;
    run_inside(in_bound_race, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_and_result_are_those_of_the_chosen_case),
        cmocka_unit_test(ready_cases_are_chosen_fairly),
        cmocka_unit_test(select_does_not_meet_itself),
        cmocka_unit_test(selects_that_send_and_receive_on_one_channel_meet),
        cmocka_unit_test(exactly_one_case_is_performed),
        cmocka_unit_test(close_wakes_every_select),
        cmocka_unit_test(bound_channel_does_what_its_table_says),
        cmocka_unit_test(select_mixes_bound_and_local_channels),
        cmocka_unit_test(token_of_a_bound_channel_is_taken_by_one_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
