/* test_core_fold.c - a channel at rest takes little memory, and goes on where it was.   SPDX-License-Identifier: MIT */
#include "broker/core/state.h"
#include "tests/core/harness.h"
#include "tests/proto/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REST_MS 3000 /* more than anything needs to be at rest */
#define MANY    500

static uint64_t folds(const struct world *w)
{
    return w->core->n_folds;
}

static void what_is_folded_goes_on_where_it_was(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *in = bind_in(b, "x", 0), *out = bind_out(a, "x", 10);

    world_pump(w);
    for (int round = 1; round <= 3; round++) {
        sends(out, 5, 100);
        receives(in, 5);
        world_pump(w);
        assert_int_equal(in->got.n, 5 * round);
        world_later(w, REST_MS);
        assert_int_equal(folds(w), 1);
        assert_true(core_used(w->core, "x") <= 10);
    }
    assert_int_equal(out->accepted, 15);
    assert_true(in->in_order);
    assert_null(world_fault(w));
    world_free(w);
}

static void who_waits_in_it_is_served(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *in = bind_in(b, "x", 0), *out = bind_out(a, "x", 10);

    receives(in, 3);
    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    sends(out, 3, 8);
    world_pump(w);
    assert_int_equal(in->got.n, 3);
    world_free(w);
}

static void another_may_bind_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *out = bind_out(a, "x", 2), *first, *second, *wrong;

    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    wrong = bind_in(b, "x", 3);
    first = bind_in(b, "x", 2);
    second = bind_in(b, "x", 0);
    world_pump(w);
    assert_true(wrong->refused && first->bound && second->bound);
    assert_true(first->incarnation == out->incarnation);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 0); /* two receive: there may be much to be said between them */
    handle_unbind(second);
    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    world_free(w);
}

static void what_holds_something_is_not_folded(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *full = bind_out(n, "full", 4), *hand = bind_by_hand(n, "hand", 4, 0),
                  *out = bind_out(n, "hand", 4), *meets = bind_out(n, "meets", WIRE_RENDEZVOUS);

    world_pump(w);
    sends(full, 1, 8);
    sends(out, 1, 8);
    receives(hand, 1);
    world_pump(w);
    world_later(w, REST_MS);
    assert_true(meets->bound);
    assert_int_equal(folds(w), 0);
    settles(hand, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    world_free(w);
}

static void it_is_seen_as_it_is(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");
    struct handle *in = bind_in(n, "x", 0), *out = bind_out(n, "x", 10);
    struct wire_control c = { .what = WIRE_QUERY, .bind = 1, .query_name = "", .query_node = "" };

    world_pump(w);
    sends(out, 7, 8);
    receives(in, 7);
    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    say(n, &c);
    world_pump(w);
    assert_non_null(n->answer);
    assert_int_equal(n->answer->info.taken, 7);
    assert_int_equal(n->answer->info.n_bindings, 2);
    assert_int_equal(folds(w), 1);
    c.query_name = "x";
    say(n, &c);
    world_pump(w);
    assert_int_equal(n->answer->info.accepted, 7);
    assert_int_equal(folds(w), 1);
    world_free(w);
}

static void the_end_of_a_session_and_a_close_reach_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    static const struct wire_attributes ten = { .type = "", .capacity = 10 };
    struct handle *in = bind_in(b, "x", 0), *gone = bind_in(b, "y", 0);

    world_pump(w);
    assert_true(bind_closing(a, "x", &ten, 0) != NULL);
    assert_true(bind_out(a, "y", 10) != NULL);
    receives(in, 1);
    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 2);
    node_end(a);
    world_pump(w);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_FAILED);
    assert_false(gone->closed);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    world_free(w);
}

static void without_memory_a_session_ends_later(void **state)
{
    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *in = bind_in(b, "x", 0), *out = bind_out(a, "x", 10);

    world_pump(w);
    world_later(w, REST_MS);
    assert_int_equal(folds(w), 1);
    alloc_fail_in = 0;
    node_end(a);
    alloc_fail_in = -1;
    assert_int_equal(folds(w), 1);
    assert_false(list_empty(&w->core->ending));
    struct handle *late = bind_out(b, "x", 0);
    world_pump(w);
    assert_true(late->refused && out->bound);
    assert_int_equal(late->code, WIRE_NO_MEMORY);
    world_later(w, 100);
    assert_true(list_empty(&w->core->ending));
    late = bind_out(b, "x", 0);
    sends(late, 1, 8);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(in->got.n, 1);
    world_free(w);
}

/* Beside what the tables take: 12 bytes in a slot, of which a fourth at least is empty. */
static void a_channel_with_two_bindings_takes_less_than_200_bytes(void **state)
{
    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    struct world *w = world_new(1);
    struct node *n = node_new(w, "n");

    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "bench.%d", i);
        assert_true(bind_in(n, name, 0) != NULL);
        assert_true(bind_out(n, name, 16384) != NULL);
        world_pump(w);
        world_later(w, 100);
        assert_int_equal(folds(w), i + 1);
        if (i < MANY - 1)
            continue;
        struct channel *ch;
        size_t before;
        world_later(w, REST_MS);
        assert_true(channel_find(w->core, name, &ch));
        before = alloc_total;
        world_later(w, REST_MS);
        assert_int_equal(folds(w), MANY);
        assert_true(alloc_total - before < 200);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_folded_goes_on_where_it_was),
        cmocka_unit_test(who_waits_in_it_is_served),
        cmocka_unit_test(another_may_bind_it),
        cmocka_unit_test(what_holds_something_is_not_folded),
        cmocka_unit_test(it_is_seen_as_it_is),
        cmocka_unit_test(the_end_of_a_session_and_a_close_reach_it),
        cmocka_unit_test(without_memory_a_session_ends_later),
        cmocka_unit_test(a_channel_with_two_bindings_takes_less_than_200_bytes),
    };

    return cmocka_run_group_tests_name("core fold", tests, NULL, NULL);
}
