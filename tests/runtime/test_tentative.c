/* test_tentative.c - waits of which one case is being negotiated.   SPDX-License-Identifier: MIT
 *
 * The negotiator is the test: a channel with an operations table that performs nothing by itself. */
#include "runtime/chan.h"
#include "runtime/rand.h"
#include "tests/runtime/inside.h"

struct talks {
    rn_chan *chan;
    struct rn__op *op; /* the newest that waits; guarded by the channel's lock */
    _Atomic int hurried, prepared;
};

static int t_prepare(rn_chan *c, struct rn__op *op)
{
    struct talks *t = rn__chan_bound(c);

    (void)op;
    t->prepared++;
    return 0;
}

static int t_attempt(rn_chan *c, struct rn__op *op)
{
    (void)c;
    (void)op;
    return RN__NOT_READY;
}

static void t_queued(rn_chan *c, struct rn__op *op)
{
    ((struct talks *)rn__chan_bound(c))->op = op;
}

static void t_unqueued(rn_chan *c, struct rn__op *op)
{
    struct talks *t = rn__chan_bound(c);

    if (t->op == op)
        t->op = NULL;
}

static void t_hurry(rn_chan *c, struct rn__op *op)
{
    (void)op;
    ((struct talks *)rn__chan_bound(c))->hurried++;
}

static void t_missed(rn_chan *c, struct rn__op *op)
{
    (void)c;
    (void)op;
}

static int t_finish(rn_chan *c, struct rn__op *op, int performed, int rc)
{
    (void)c;
    (void)op;
    (void)performed;
    return rc;
}

static void t_close(rn_chan *c, int reason)
{
    (void)c;
    (void)reason;
}

static int t_err(const rn_chan *c)
{
    (void)c;
    return 0;
}

static size_t t_zero(const rn_chan *c)
{
    (void)c;
    return 0;
}

static void t_release(rn_chan *c)
{
    (void)c;
}

static const struct rn__chan_ops t_ops = { NULL,       NULL,    t_prepare, t_attempt, t_queued,
                                           t_unqueued, t_hurry, t_missed,  t_finish,  t_close,
                                           t_err,      t_zero,  t_zero,    t_release };

static void talks_begin(struct talks *t)
{
    *t = (struct talks){ .chan = rn_chan_new(0, 0, NULL) };
    check_equal(rn__chan_bind(t->chan, &t_ops, t), 0);
}

/* Makes the operation that waits tentative, once it does. */
static struct rn__op *negotiate(struct talks *t)
{
    struct rn__op *op = NULL;

    while (op == NULL) {
        rn__chan_lock(t->chan);
        if (t->op != NULL && rn__tentative(t->op->wait, t->op->index))
            op = t->op;
        rn__chan_unlock(t->chan);
        rn_yield();
    }
    return op;
}

static void conclude(struct talks *t, struct rn__op *op)
{
    rn__chan_lock(t->chan);
    t->op = NULL;
    if (rn__op_fire(t->chan, op))
        rn__op_complete(op, 0);
    rn__chan_unlock(t->chan);
}

/* true: it is open again. */
static bool break_off(struct talks *t, struct rn__op *op)
{
    bool woken, open;

    rn__chan_lock(t->chan);
    open = rn__tentative_release(op->wait, &woken);
    if (!open && !woken)
        rn__wake(op->wait);
    rn__chan_unlock(t->chan);
    return open;
}

struct choice {
    rn_chan *bound, *local;
    rn_time deadline;
    _Atomic int *result; /* rn_select's; UNDECIDED before */
};

#define UNDECIDED (-1000)

static void chooser(void *arg)
{
    struct choice *c = arg;
    rn_case cases[] = { { c->bound, NULL, RN_RECV, 0 }, { c->local, NULL, RN_RECV, 0 } };

    *c->result = rn_select(cases, 2, c->deadline);
}

static int result(const struct choice *c)
{
    wait_until(*c->result != UNDECIDED);
    return *c->result;
}

/* A goroutine that chooses between a channel of talks and a local one. */
static rn_group *choice_begin(struct choice *c, struct talks *t, rn_time deadline)
{
    rn_group *g = rn_group_new();

    talks_begin(t);
    *c = (struct choice){ t->chan, rn_chan_new(0, 0, NULL), deadline, malloc(sizeof(int)) };
    *c->result = UNDECIDED;
    check_equal(rn_group_go(g, chooser, c, sizeof *c), 0);
    return g;
}

static void choice_end(struct choice *c, rn_group *g)
{
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    rn_chan_unref(c->bound);
    rn_chan_unref(c->local);
    free(c->result);
}

/* ---- peers ---- */

static int in_passed_over(void *arg)
{
    struct choice c;
    struct talks t;
    rn_group *g = choice_begin(&c, &t, RN_FOREVER);
    struct rn__op *op = negotiate(&t);

    (void)arg;
    check_equal(rn_chan_send(c.local, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(t.hurried, 1);
    check_equal(rn_chan_send(c.local, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(t.hurried, 1); /* once is enough */
    conclude(&t, op);
    check_equal(result(&c), 0);
    choice_end(&c, g);
    return 0;
}

static void peer_passes_over_a_tentative_select(void **state)
{
    (void)state;
    run_inside(in_passed_over, NULL);
}

static void sender(void *arg)
{
    check_equal(rn_chan_send(*(rn_chan **)arg, NULL, RN_FOREVER), 0);
}

static int in_peer_waits(void *arg)
{
    struct choice c;
    struct talks t;
    rn_group *g = choice_begin(&c, &t, RN_FOREVER);
    struct rn__op *op = negotiate(&t);

    (void)arg;
    check_equal(rn_group_go(g, sender, &c.local, sizeof c.local), 0);
    while (t.hurried == 0)
        rn_yield();
    check(!break_off(&t, op));
    check_equal(result(&c), 1);
    choice_end(&c, g);
    return 0;
}

static void peer_that_waits_is_met_when_the_talks_break_off(void **state)
{
    (void)state;
    run_inside(in_peer_waits, NULL);
}

static int in_open_again(void *arg)
{
    struct choice c;
    struct talks t;
    rn_group *g = choice_begin(&c, &t, RN_FOREVER);

    (void)arg;
    check(break_off(&t, negotiate(&t)));
    check_equal(t.prepared, 1);
    check_equal(rn_chan_send(c.local, NULL, RN_FOREVER), 0);
    check_equal(result(&c), 1);
    choice_end(&c, g);
    return 0;
}

static void talks_that_nobody_disturbed_leave_the_wait_as_it_was(void **state)
{
    (void)state;
    run_inside(in_open_again, NULL);
}

static int in_second_talks(void *arg)
{
    struct choice c;
    struct talks t, other;
    rn_group *g;
    struct rn__op *op;

    (void)arg;
    talks_begin(&other);
    g = choice_begin(&c, &t, RN_FOREVER);
    op = negotiate(&t);
    check(!rn__tentative(op->wait, 1));
    check_equal(t.hurried, 1);
    check_equal(rn__knocks(op->wait), RN__KNOCK_TALKS); /* who opens it again must tell */
    check(break_off(&t, op));
    op = negotiate(&t);
    check_equal(t.prepared, 1);
    conclude(&t, op);
    check_equal(result(&c), 0);
    choice_end(&c, g);
    rn_chan_unref(other.chan);
    return 0;
}

static void only_one_case_is_negotiated_at_a_time(void **state)
{
    (void)state;
    run_inside(in_second_talks, NULL);
}

/* ---- deadlines and cancellation ---- */

static int in_deadline(void *arg)
{
    bool succeeds = *(bool *)arg;
    struct choice c;
    struct talks t;
    rn_group *g = choice_begin(&c, &t, rn_after(RN_MS));
    struct rn__op *op = negotiate(&t);

    while (t.hurried == 0)
        rn_sleep(rn_after(RN_MS));
    check_equal(*c.result, UNDECIDED);
    if (succeeds)
        conclude(&t, op);
    else
        check(!break_off(&t, op));
    check_equal(result(&c), succeeds ? 0 : RN_ETIMEDOUT);
    choice_end(&c, g);
    return 0;
}

static void deadline_waits_for_the_talks(void **state)
{
    bool succeeds = true;

    (void)state;
    check_equal(rn_sim(1, in_deadline, &succeeds), 0);
    succeeds = false;
    check_equal(rn_sim(1, in_deadline, &succeeds), 0);
}

static int in_cancel(void *arg)
{
    bool succeeds = *(bool *)arg;
    struct choice c;
    struct talks t;
    rn_group *g = choice_begin(&c, &t, RN_FOREVER);
    struct rn__op *op = negotiate(&t);

    rn_group_cancel(g);
    check_equal(t.hurried, 1);
    if (succeeds)
        conclude(&t, op);
    else
        check(!break_off(&t, op));
    check_equal(result(&c), succeeds ? 0 : RN_ECANCELED);
    choice_end(&c, g);
    return 0;
}

static void cancellation_waits_for_the_talks(void **state)
{
    bool succeeds = true;

    (void)state;
    check_equal(rn_sim(1, in_cancel, &succeeds), 0);
    succeeds = false;
    check_equal(rn_sim(1, in_cancel, &succeeds), 0);
}

/* ---- all at once ---- */

struct race {
    struct talks *talks;
    rn_chan *local;
    _Atomic int *by_talks, *by_local, *timeouts;
    int rounds;
};

static void racer(void *arg)
{
    struct race *r = arg;
    rn_case cases[] = { { r->talks->chan, NULL, RN_RECV, 0 }, { r->local, NULL, RN_RECV, 0 } };

    for (int i = 0; i < r->rounds; i++) {
        int k = rn_select(cases, 2, rn_after(50 * RN_US));

        check(k == 0 || k == 1 || k == RN_ETIMEDOUT);
        ++*(k == 0 ? r->by_talks : k == 1 ? r->by_local : r->timeouts);
    }
}

static void local_sender(void *arg)
{
    struct race *r = arg;

    for (;;) {
        int rc = rn_chan_send(r->local, NULL, RN_FOREVER);
        if (rc == RN_ECLOSED)
            return;
        check_equal(rc, 0);
        r->rounds++;
    }
}

static int in_race(void *arg)
{
    struct talks t;
    _Atomic int by_talks = 0, by_local = 0, timeouts = 0;
    struct race r = { &t, rn_chan_new(0, 0, NULL), &by_talks, &by_local, &timeouts, 3000 };
    rn_group *choosers = rn_group_new(), *senders = rn_group_new();
    int succeeded = 0, n = 4 * r.rounds;

    (void)arg;
    talks_begin(&t);
    for (int i = 0; i < 4; i++)
        check_equal(rn_group_go(choosers, racer, &r, sizeof r), 0);
    check_equal(rn_group_go(senders, local_sender, &r, sizeof r), 0);
    while (by_talks + by_local + timeouts < n) {
        struct rn__op *op = NULL;

        rn__chan_lock(t.chan);
        if (t.op != NULL && rn__tentative(t.op->wait, t.op->index))
            op = t.op;
        rn__chan_unlock(t.chan);
        rn_yield();
        if (op == NULL)
            continue;
        if (rn__rand64() % 2 == 0) {
            conclude(&t, op);
            succeeded++;
        } else {
            break_off(&t, op);
        }
    }
    check_equal(rn_group_wait(choosers, RN_FOREVER), 0);
    rn_chan_close(r.local);
    check_equal(rn_group_wait(senders, RN_FOREVER), 0);
    check_equal(succeeded, by_talks);
    rn_group_free(choosers);
    rn_group_free(senders);
    rn_chan_unref(r.local);
    rn_chan_unref(t.chan);
    return 0;
}

static void every_wait_ends_once(void **state)
{
    (void)state;
    run_inside(in_race, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_passes_over_a_tentative_select),
        cmocka_unit_test(peer_that_waits_is_met_when_the_talks_break_off),
        cmocka_unit_test(talks_that_nobody_disturbed_leave_the_wait_as_it_was),
        cmocka_unit_test(only_one_case_is_negotiated_at_a_time),
        cmocka_unit_test(deadline_waits_for_the_talks),
        cmocka_unit_test(cancellation_waits_for_the_talks),
        cmocka_unit_test(every_wait_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
