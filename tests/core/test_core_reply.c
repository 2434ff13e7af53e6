/* test_core_reply.c - reply channels: made once, under a new name, and gone with who made them.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GONE (-32)

static const struct wire_attributes nothing = { .type = "" };

/* How a maker goes. */
enum end { UNBIND, GOODBYE, DEATH, ABANDONED, ENDS };

static void goes(struct handle *maker, enum end how)
{
    if (how == UNBIND)
        handle_unbind(maker);
    else if (how == ABANDONED)
        handle_abandon(maker);
    else if (how == GOODBYE)
        node_leave(maker->node);
    else
        node_end(maker->node);
    world_pump(maker->node->world);
}

static bool is_there(struct world *w, const char *name)
{
    return core_used(w->core, name) != (uint64_t)-1;
}

static void only_its_maker_makes_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *early = bind_out(b, "reply:1", 0), *made, *late, *again;

    world_pump(w);
    assert_true(early->refused);
    assert_int_equal(early->code, WIRE_NOT_FOUND);
    assert_non_null(strstr(early->sentence, "reply:1"));
    made = bind_reply(a, "reply:1", WIRE_IN, &nothing);
    late = bind_out(b, "reply:1", 0);
    again = bind_reply(b, "reply:1", WIRE_IN, &nothing);
    world_pump(w);
    assert_true(made->bound && late->bound && again->refused);
    assert_int_equal(again->code, WIRE_BAD_ATTRIBUTE);
    handle_unbind(made);
    handle_unbind(late);
    world_pump(w);
    assert_false(is_there(w, "reply:1"));
    early = bind_in(b, "reply:1", 0);
    world_pump(w);
    assert_int_equal(early->code, WIRE_NOT_FOUND);
    world_free(w);
}

static void its_attributes_are_fixed(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a");
    struct handle *odd[] = {
        bind_reply(a, "reply:1", WIRE_IN, &(struct wire_attributes){ .capacity = 3, .type = "" }),
        bind_reply(a, "reply.1", WIRE_IN, &nothing),
        bind_reply(a, "reply:1.dead", WIRE_IN, &nothing),
    };
    struct handle *made = bind_reply(a, "reply:2", WIRE_IN,
                                     &(struct wire_attributes){ .type = "t" });
    struct handle *other = bind_with(a, "reply:2", WIRE_OUT,
                                     &(struct wire_attributes){ .type = "u" }, 0);

    world_pump(w);
    for (size_t i = 0; i < 3; i++)
        assert_true(odd[i]->refused);
    assert_int_equal(odd[0]->code, WIRE_MISMATCH);
    assert_int_equal(odd[1]->code, WIRE_BAD_ATTRIBUTE);
    assert_int_equal(odd[2]->code, WIRE_BAD_NAME);
    assert_true(made->opened);
    assert_int_equal(made->attributes.capacity, 16384);
    assert_int_equal(made->attributes.capacity_bytes, 64 << 20);
    assert_string_equal(made->type, "t");
    assert_int_equal(other->code, WIRE_MISMATCH);
    world_free(w);
}

/* However its maker goes: what is in it is dropped, those who send are told, and when they have let go it is gone. */
static void it_ends_with_its_maker(void **state)
{
    (void)state;
    for (enum end how = 0; how < ENDS; how++) {
        struct world *w = world_new(how + 1);
        struct node *a = node_new(w, "a"), *b = node_new(w, "b");
        struct handle *made = bind_reply(a, "reply:1", WIRE_IN, &nothing),
                      *out = bind_out(b, "reply:1", 0);
        struct core_totals totals;

        w->mortal = true;
        world_pump(w);
        receives(made, 2);
        sends(out, 5, 8);
        world_pump(w);
        assert_int_equal(made->got.n, 2);
        goes(made, how);
        assert_true(out->failing);
        assert_int_equal(out->code, WIRE_CANCELLED);
        assert_int_equal(out->reason, GONE);
        assert_true(is_there(w, "reply:1"));
        handle_unbind(out);
        world_pump(w);
        assert_false(is_there(w, "reply:1"));
        core_totals(w->core, &totals);
        assert_int_equal(totals.accepted, 5);
        assert_int_equal(totals.taken, 2);
        assert_int_equal(totals.dropped, 3);
        world_free(w);
    }
}

static void those_who_receive_what_its_maker_sends_are_told_too(void **state)
{
    (void)state;
    for (enum end how = 0; how < ENDS; how++) {
        struct world *w = world_new(how + 1);
        struct node *a = node_new(w, "a"), *b = node_new(w, "b");
        struct handle *made = bind_reply(a, "reply:1", WIRE_OUT, &nothing),
                      *in = bind_in(b, "reply:1", 0);

        w->mortal = true;
        world_pump(w);
        receives(in, 2);
        sends(made, 5, 8);
        world_pump(w);
        goes(made, how);
        assert_true(in->closed);
        assert_int_equal(in->code, WIRE_CANCELLED);
        assert_int_equal(in->reason, GONE);
        assert_int_equal(in->got.n, 2);
        handle_unbind(in);
        world_pump(w);
        assert_false(is_there(w, "reply:1"));
        world_free(w);
    }
}

/* Its maker has sent all, says so, and goes: that is no reason to lose it. */
static void what_was_closed_is_received_to_the_end(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *made = bind_reply(a, "reply:1", WIRE_OUT, &nothing),
                  *in = bind_in(b, "reply:1", 0);

    world_pump(w);
    sends(made, 5, 8);
    world_pump(w);
    handle_close(made, 0);
    handle_unbind(made);
    world_pump(w);
    assert_true(made->unbound);
    assert_false(in->closed);
    receives(in, 6);
    world_pump(w);
    assert_int_equal(in->got.n, 5);
    assert_true(in->closed);
    assert_int_equal(in->code, WIRE_CLOSED);
    handle_unbind(in);
    world_pump(w);
    assert_false(is_there(w, "reply:1"));
    assert_null(world_fault(w));
    world_free(w);
}

/* ... but not for nobody: when the last who receives has gone, too, or there was none, nothing stays. */
static void what_nobody_comes_for_is_dropped(void **state)
{
    (void)state;
    for (int receivers = 0; receivers < 2; receivers++) {
        struct world *w = world_new(1);
        struct node *a = node_new(w, "a"), *b = node_new(w, "b");
        struct handle *made = bind_reply(a, "reply:1", WIRE_OUT, &nothing), *in = NULL;
        struct core_totals totals;

        w->mortal = true;
        world_pump(w);
        if (receivers > 0)
            in = bind_in(b, "reply:1", 0);
        sends(made, 5, 8);
        world_pump(w);
        handle_close(made, 0);
        handle_unbind(made);
        world_pump(w);
        if (receivers > 0) {
            assert_true(is_there(w, "reply:1"));
            node_end(b);
            world_pump(w);
            (void)in;
        }
        assert_false(is_there(w, "reply:1"));
        core_totals(w->core, &totals);
        assert_int_equal(totals.dropped, 5);
        world_free(w);
    }
}

static void it_has_no_dead_letters(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *a = node_new(w, "a"), *b = node_new(w, "b");
    struct handle *made = bind_reply(a, "reply:1", WIRE_OUT, &nothing),
                  *in = bind_by_hand(b, "reply:1", 0, 0);
    struct core_totals totals;

    w->mortal = true;
    world_pump(w);
    receives(in, 3);
    sends(made, 3, 8);
    world_pump(w);
    settles(in, WIRE_REJECTED, 0, 1, 0);
    settles(in, WIRE_UNREADABLE, 0, 1, 0);
    settles(in, WIRE_DONE, 0, 1, 0);
    world_pump(w);
    assert_false(is_there(w, "reply:1.dead"));
    assert_int_equal(core_used(w->core, "reply:1"), made->credit);
    handle_unbind(made);
    handle_unbind(in);
    world_pump(w);
    core_totals(w->core, &totals);
    assert_int_equal(totals.dropped, 2);
    assert_int_equal(totals.taken, 1);
    assert_int_equal(totals.dead, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_maker_makes_it),
        cmocka_unit_test(its_attributes_are_fixed),
        cmocka_unit_test(it_ends_with_its_maker),
        cmocka_unit_test(those_who_receive_what_its_maker_sends_are_told_too),
        cmocka_unit_test(what_was_closed_is_received_to_the_end),
        cmocka_unit_test(what_nobody_comes_for_is_dropped),
        cmocka_unit_test(it_has_no_dead_letters),
    };

    return cmocka_run_group_tests_name("core reply", tests, NULL, NULL);
}
