/* test_go_context.c - groups are cancelled as Go's contexts are.   SPDX-License-Identifier: MIT
 *
 * The behaviours that Go's context/context_test.go looks at, except of values; see go_tests.txt.  A context is a group here, and
 * its child is a group that a member of it makes. */
#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/rand.h"
#include "tests/runtime/inside.h"

#define SHORT (10 * RN_MS)
#define LONG  (1000 * 3600 * RN_SEC)

static void nothing_fn(void *arg)
{
    (void)arg;
}

/* Has it been cancelled? */
static bool is_done(rn_group *g)
{
    int rc = rn_group_go(g, nothing_fn, NULL, 0);

    check(rc == 0 || rc == RN_ECANCELED);
    return rc == RN_ECANCELED;
}

struct birth {
    rn_group *_Atomic *child;
    rn_time deadline;
};

static void makes_group_fn(void *arg)
{
    struct birth *b = arg;

    *b->child = b->deadline == RN_FOREVER ? rn_group_new() : rn_group_new_deadline(b->deadline);
}

/* A child of g; of a cancelled one nobody can make any. */
static rn_group *child_of(rn_group *g, rn_time deadline)
{
    rn_group *_Atomic child = NULL;
    struct birth b = { &child, deadline };

    check_equal(rn_group_go(g, makes_group_fn, &b, sizeof b), 0);
    wait_until(child != NULL);
    return child;
}

/* ---- cancelling ------------------------------------------------------------------------------------ */

static int in_background(void *arg)
{
    (void)arg;
    check_equal(rn_cancelled(), 0);
    check_equal(rn_chan_recv(NULL, NULL, RN_NOWAIT), RN_ETIMEDOUT);
    check_equal(rn_sleep(rn_after(1)), 0);
    return 0;
}

/* Go: TestBackground, TestTODO. */
static void who_is_in_no_group_is_not_cancelled(void **state)
{
    (void)state;
    run_everywhere(in_background, NULL);
}

static int in_cancel(void *arg)
{
    rn_group *parent = rn_group_new(), *child = child_of(parent, RN_FOREVER),
             *timer_child = child_of(parent, rn_after(LONG)),
             *grandchild = child_of(child, RN_FOREVER);

    (void)arg;
    check(!is_done(parent) && !is_done(child) && !is_done(timer_child) && !is_done(grandchild));
    rn_group_cancel(parent); /* when it returns, all are */
    check(is_done(parent) && is_done(child) && is_done(timer_child) && is_done(grandchild));
    rn_group_free(grandchild);
    rn_group_free(timer_child);
    rn_group_free(child);
    rn_group_free(parent);
    return 0;
}

/* Go: TestWithCancel, TestParentFinishesChild. */
static void all_below_are_cancelled_when_the_cancel_returns(void **state)
{
    (void)state;
    run_everywhere(in_cancel, NULL);
}

static int in_child_first(void *arg)
{
    rn_group *parent = rn_group_new(), *child = child_of(parent, RN_FOREVER),
             *sibling = child_of(parent, RN_FOREVER);

    (void)arg;
    rn_group_cancel(child);
    check(is_done(child) && !is_done(parent) && !is_done(sibling));
    rn_group_free(child);
    check(!is_done(parent) && !is_done(sibling));
    rn_group_free(sibling);
    rn_group_free(parent);
    return 0;
}

/* Go: TestChildFinishesFirst. */
static void cancelled_child_leaves_its_parent_as_it_was(void **state)
{
    (void)state;
    run_everywhere(in_child_first, NULL);
}

static void makes_one_too_late_fn(void *arg)
{
    rn_group *child;

    check_equal(rn_chan_recv(NULL, NULL, RN_FOREVER), RN_ECANCELED);
    child = rn_group_new();
    check(is_done(child));
    rn_group_free(child);
    *(bool *)*(void **)arg = true;
}

static int in_cancelled_parent(void *arg)
{
    rn_group *g = rn_group_new();
    bool was = false, *p = &was;

    (void)arg;
    check_equal(rn_group_go(g, makes_one_too_late_fn, &p, sizeof p), 0);
    rn_yield();
    rn_group_cancel(g);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    check(was);
    rn_group_free(g);
    return 0;
}

/* Go: TestWithCancelCanceledParent. */
static void child_of_a_cancelled_group_is_cancelled_from_the_start(void **state)
{
    (void)state;
    run_everywhere(in_cancelled_parent, NULL);
}

static void cancels_the_child_fn(void *arg)
{
    check_equal(rn_chan_recv(NULL, NULL, RN_FOREVER), RN_ECANCELED);
    rn_group_cancel(*(rn_group **)arg);
}

static int in_interlocked(void *arg)
{
    rn_group *parent = rn_group_new(), *child = child_of(parent, RN_FOREVER);

    (void)arg;
    check_equal(rn_group_go(parent, cancels_the_child_fn, &child, sizeof child), 0);
    rn_group_cancel(parent);
    check_equal(rn_group_wait(parent, RN_FOREVER), 0);
    check(is_done(child));
    rn_group_free(child);
    rn_group_free(parent);
    return 0;
}

/* Go: TestInterlockedCancels. */
static void child_is_cancelled_from_above_and_by_itself_at_once(void **state)
{
    (void)state;
    run_everywhere(in_interlocked, NULL);
}

enum { TREE = 85 }; /* four children each: 1 + 4 + 16 + 64 */

static void cancels_fn(void *arg)
{
    rn_group_cancel(*(rn_group **)arg);
}

static int in_simultaneous(void *arg)
{
    rn_group *tree[TREE] = { rn_group_new() }, *cancellers = rn_group_new(), *other;
    int order[TREE];

    (void)arg;
    for (int i = 1; i < TREE; i++)
        tree[i] = child_of(tree[(i - 1) / 4], RN_FOREVER);
    for (int i = 0; i < TREE; i++) {
        int k = (int)(rn__rand64() % (uint64_t)(i + 1));

        order[i] = order[k];
        order[k] = i;
    }
    for (int i = 0; i < TREE; i++) {
        other = tree[order[i]];
        check_equal(rn_group_go(cancellers, cancels_fn, &other, sizeof other), 0);
    }
    check_equal(rn_group_wait(cancellers, RN_FOREVER), 0);
    for (int i = 0; i < TREE; i++)
        check(is_done(tree[i]));
    for (int i = TREE - 1; i >= 0; i--)
        rn_group_free(tree[i]);
    rn_group_free(cancellers);
    return 0;
}

/* Go: TestSimultaneousCancels. */
static void whole_tree_is_cancelled_by_all_at_once(void **state)
{
    (void)state;
    run_everywhere(in_simultaneous, NULL);
}

/* ---- deadlines ----------------------------------------------------------------------------------------- */

static void ends_by_then_fn(void *arg)
{
    check_equal(rn_chan_recv(NULL, NULL, RN_FOREVER), RN_ECANCELED);
    check(rn_now() >= *(rn_time *)arg && rn_now() < *(rn_time *)arg + RN_MS);
}

/* The members of g are cancelled at `until`, and no earlier. */
static void check_deadline(rn_group *g, rn_time until)
{
    if (rn_now() < until)
        check_equal(rn_group_go(g, ends_by_then_fn, &until, sizeof until), 0);
    check_equal(rn_group_wait(g, rn_after(LONG)), 0);
    check(is_done(g));
}

static int in_deadline(void *arg)
{
    rn_time until = rn_after(SHORT);
    rn_group *g = rn_group_new_deadline(until), *inner = child_of(g, rn_after(LONG));

    (void)arg;
    check_deadline(inner, until); /* by the one around it */
    check_deadline(g, until);
    rn_group_free(inner);
    rn_group_free(g);
    g = rn_group_new_deadline(rn_now() - SHORT);
    check(is_done(g));
    rn_group_free(g);
    g = rn_group_new_deadline(rn_now());
    check_deadline(g, rn_now());
    rn_group_free(g);
    return 0;
}

/* Go: TestDeadline, TestTimeout. */
static void nearest_deadline_around_it_ends_a_group(void **state)
{
    (void)state;
    sim_with_seeds(in_deadline, NULL);
}

static int in_early(void *arg)
{
    rn_group *outer = rn_group_new_deadline(rn_after(RN_SEC)), *g = child_of(outer, rn_after(LONG));
    rn_time before = rn_now();

    (void)arg;
    rn_group_cancel(g);
    check(is_done(g) && !is_done(outer) && rn_now() < before + SHORT);
    rn_group_free(g);
    rn_group_free(outer);
    return 0;
}

/* Go: TestCanceledTimeout. */
static void group_with_a_deadline_is_cancelled_before_it(void **state)
{
    (void)state;
    sim_with_seeds(in_early, NULL);
}

static int in_removal(void *arg)
{
    rn_group *parent = rn_group_new();
    rn_stats s;

    (void)arg;
    rn_group_free(child_of(parent, RN_FOREVER));
    rn_group_free(child_of(parent, rn_after(LONG)));
    rn_stats_read(&s);
    check_equal(s.timers, 0);
    rn_group_free(parent); /* panics if one were still there */
    return 0;
}

/* Go: TestCancelRemoves. */
static void freed_child_leaves_neither_parent_nor_clock_a_trace(void **state)
{
    (void)state;
    run_everywhere(in_removal, NULL);
}

/* ---- layers ------------------------------------------------------------------------------------------------- */

enum { LAYERS = 30 };

/* One in another, some with deadlines; the innermost ends by any of them. */
static int in_layers(void *arg)
{
    bool by_time = *(bool *)arg;
    rn_group *layers[LAYERS] = { rn_group_new() };
    rn_time until = rn_after(by_time ? SHORT : LONG);

    for (int i = 1; i < LAYERS; i++)
        layers[i] = child_of(layers[i - 1],
                             i == LAYERS / 2 || rn__rand64() % 2 ? until : RN_FOREVER);
    check(!is_done(layers[LAYERS - 1]));
    if (by_time)
        check_deadline(layers[LAYERS - 1], until);
    else
        rn_group_cancel(layers[rn__rand64() % LAYERS]);
    check(is_done(layers[LAYERS - 1]));
    for (int i = LAYERS - 1; i >= 0; i--)
        rn_group_free(layers[i]);
    return 0;
}

/* Go: TestLayersCancel, TestLayersTimeout. */
static void innermost_of_many_ends_by_any_around_it(void **state)
{
    static bool by_time[] = { false, true };

    (void)state;
    sim_with_seeds(in_layers, &by_time[0]);
    sim_with_seeds(in_layers, &by_time[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_no_group_is_not_cancelled),
        cmocka_unit_test(all_below_are_cancelled_when_the_cancel_returns),
        cmocka_unit_test(cancelled_child_leaves_its_parent_as_it_was),
        cmocka_unit_test(child_of_a_cancelled_group_is_cancelled_from_the_start),
        cmocka_unit_test(child_is_cancelled_from_above_and_by_itself_at_once),
        cmocka_unit_test(whole_tree_is_cancelled_by_all_at_once),
        cmocka_unit_test(nearest_deadline_around_it_ends_a_group),
        cmocka_unit_test(group_with_a_deadline_is_cancelled_before_it),
        cmocka_unit_test(freed_child_leaves_neither_parent_nor_clock_a_trace),
        cmocka_unit_test(innermost_of_many_ends_by_any_around_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
