/* test_core_bind.c - names, attributes, and the life of a channel.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wire_attributes stating(int64_t capacity, uint64_t bytes, const char *type)
{
    return (struct wire_attributes){ .capacity = capacity, .capacity_bytes = bytes, .type = type };
}

static void first_sender_fixes_the_rest_to_defaults(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *in = bind_in(n, "orders", 0);
    world_pump(w);
    assert_true(in->bound);
    assert_int_equal(in->attributes.capacity, 0);

    struct handle *out = bind_out(n, "orders", 0);
    world_pump(w);
    assert_int_equal(out->attributes.capacity, WIRE_CAPACITY_DEFAULT);
    assert_int_equal(out->attributes.capacity_bytes, WIRE_BYTES_DEFAULT);
    assert_int_equal(out->attributes.kind, WIRE_QUEUE);
    assert_int_equal(out->attributes.keep, WIRE_MEMORY);
    assert_int_equal(out->attributes.slow, WIRE_SLOW_BLOCK);
    assert_int_equal(out->attributes.max_deliveries, 16);
    assert_true(in->opened);
    assert_int_equal(in->attributes.capacity, WIRE_CAPACITY_DEFAULT);
    assert_true(out->incarnation != 0 && out->incarnation == in->incarnation);
    world_free(w);
}

static void first_bind_that_states_an_attribute_fixes_it(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct wire_attributes a = stating(5, 0, ""), b = stating(0, 1000, "int");
    struct handle *first = bind_with(n, "x", WIRE_IN, &a, 0);
    struct handle *second = bind_with(n, "x", WIRE_IN, &b, 0);
    struct handle *out = bind_out(n, "x", 0);
    world_pump(w);
    assert_true(first->bound && second->bound && out->bound);
    assert_int_equal(second->attributes.capacity, 5);
    assert_int_equal(out->attributes.capacity, 5);
    assert_int_equal(out->attributes.capacity_bytes, 1000);
    assert_string_equal(out->attributes.type, "int");
    world_free(w);
}

static void mismatch_names_each_attribute_with_both_values_and_fixes_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct wire_attributes a = stating(5, 0, "int"), b = stating(6, 0, "char");
    b.max_deliveries = 3;
    (void)bind_with(n, "x", WIRE_IN, &a, 0);
    struct handle *wrong = bind_with(n, "x", WIRE_IN, &b, 0);
    struct handle *out = bind_out(n, "x", 0);
    world_pump(w);
    assert_true(wrong->refused);
    assert_int_equal(wrong->code, WIRE_MISMATCH);
    assert_string_equal(wrong->sentence,
                        "channel 'x': capacity is 5, not 6, type is 'int', not 'char'");
    assert_int_equal(out->attributes.max_deliveries, 16);
    world_free(w);
}

static void raw_agrees_with_every_type(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct wire_attributes typed = stating(0, 0, "int");
    struct handle *out = bind_out(n, "x", 0);
    struct handle *in = bind_with(n, "x", WIRE_IN, &typed, 0);
    struct handle *raw = bind_in(n, "x", 0);
    world_pump(w);
    assert_true(out->bound && in->bound && raw->bound);
    assert_string_equal(raw->attributes.type, "int");
    world_free(w);
}

static void what_is_not_there_yet_is_unsupported(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    const struct wire_attributes wishes[] = {
        { .keep = WIRE_DISK, .type = "" },
        { .keep = WIRE_QUORUM, .type = "" },
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        struct handle *h = bind_with(n, "x", WIRE_OUT, &wishes[i], 0);
        world_pump(w);
        assert_int_equal(h->code, WIRE_UNSUPPORTED);
        assert_non_null(strstr(h->sentence, "yet"));
    }
    assert_true(core_used(w->core, "x") == (uint64_t)-1);
    world_free(w);
}

static void bad_names_and_attributes_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *name = bind_out(n, "no spaces", 0);
    struct handle *capacity = bind_out(n, "x", -7);
    struct handle *slow = bind_with(
        n, "x", WIRE_OUT,
        &(struct wire_attributes){ .kind = WIRE_QUEUE, .slow = WIRE_SLOW_CUT, .type = "" }, 0);
    world_pump(w);
    assert_int_equal(name->code, WIRE_BAD_NAME);
    assert_non_null(strstr(name->sentence, "no spaces"));
    assert_int_equal(capacity->code, WIRE_BAD_ATTRIBUTE);
    assert_int_equal(slow->code, WIRE_BAD_ATTRIBUTE);
    world_free(w);
}

static void must_exist_does_not_create(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *out = bind_out(n, "there", 0);
    struct handle *absent = bind_out(n, "absent", 0), *there = bind_out(n, "there", 0);
    n->up.at[1]->control.bind_.must_exist = true;
    n->up.at[2]->control.bind_.must_exist = true;
    world_pump(w);
    assert_true(out->bound && there->bound);
    assert_int_equal(absent->code, WIRE_NOT_FOUND);
    assert_true(core_used(w->core, "absent") == (uint64_t)-1);
    world_free(w);
}

static void closed_drained_and_unbound_is_forgotten_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *out = bind_out(n, "x", 4);
    world_pump(w);
    handle_close(out, 0);
    world_pump(w);
    struct handle *late = bind_in(n, "x", 0);
    world_pump(w);
    assert_int_equal(late->incarnation, out->incarnation);
    assert_true(late->closed);
    handle_unbind(out);
    handle_unbind(late);
    struct handle *next = bind_in(n, "x", 9);
    world_pump(w);
    assert_true(out->unbound && late->unbound && next->bound && !next->closed);
    assert_true(next->incarnation != out->incarnation);
    struct core_totals t;
    core_totals(w->core, &t);
    assert_int_equal(t.channels, 1);
    world_free(w);
}

static void open_empty_and_unbound_is_forgotten_after_a_minute(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *out = bind_out(n, "x", 4);
    world_pump(w);
    handle_unbind(out);
    world_pump(w);
    world_later(w, 59000);
    assert_int_equal(core_used(w->core, "x"), 0);
    struct handle *again = bind_out(n, "x", 0);
    world_pump(w);
    world_later(w, 59000);
    assert_int_equal(again->incarnation, out->incarnation);
    handle_unbind(again);
    world_pump(w);
    world_later(w, 59990);
    assert_int_equal(core_used(w->core, "x"), 0);
    world_later(w, 20);
    assert_true(core_used(w->core, "x") == (uint64_t)-1);
    assert_true(core_deadline(w->core) == INT64_MAX);
    world_free(w);
}

static void channel_with_an_element_is_kept_unbound(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *out = bind_out(n, "x", 4);
    world_pump(w);
    sends(out, 1, 8);
    world_pump(w);
    node_end(n);
    world_later(w, 600000);
    assert_int_equal(core_used(w->core, "x"), 1);
    struct handle *in = bind_in(node_new(w, "other"), "x", 0);
    world_pump(w);
    receives(in, 1);
    world_pump(w);
    assert_int_equal(in->taken, 1);
    assert_null(world_fault(w));
    world_free(w);
}

static void query_shows_channels_with_their_ledger(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct node *n = node_new(w, "node");
    struct handle *out = bind_out(n, "x", 16), *in = bind_in(n, "x", 0);
    world_pump(w);
    sends(out, 5, 10);
    world_pump(w);
    receives(in, 2);
    world_pump(w);
    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 77, .query_name = "x" });
    world_pump(w);
    assert_non_null(n->answer);
    assert_int_equal(n->answer->bind, 77);
    assert_true(n->answer->control.answer.last);
    const struct wire_channel_info *info = &n->answer->info;
    assert_int_equal(info->accepted, 5);
    assert_int_equal(info->taken, 2);
    assert_int_equal(info->buffered + info->delivered, 3);
    assert_int_equal(info->bytes, 30);
    assert_int_equal(info->n_bindings, 2);
    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 78, .query_name = "none" });
    world_pump(w);
    assert_int_equal(n->answer->bind, 78);
    assert_int_equal(n->answer->control.answer.n_channels, 0);
    world_free(w);
}

/* 400 bindings of one channel do not fit into an envelope: the channel is repeated, and each Answer is small. */
static void query_splits_what_does_not_fit_an_envelope(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    char name[32];
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "node-%d", i);
        (void)bind_out(node_new(w, name), "x", 16);
    }
    world_pump(w);
    struct node *n = w->nodes.at[0];
    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = "" });
    assert_true(move_up(n));
    size_t answers = 0, bindings = 0;
    for (size_t i = 0; i < n->down.n; i++) {
        const struct wire_control *c = &n->down.at[i]->control;
        if (c->what != WIRE_ANSWER)
            continue;
        answers++;
        bindings += n->down.at[i]->info.n_bindings;
        assert_int_equal(c->answer.last, i + 1 == n->down.n);
    }
    assert_true(answers > 1);
    assert_int_equal(bindings, 400);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_sender_fixes_the_rest_to_defaults),
        cmocka_unit_test(first_bind_that_states_an_attribute_fixes_it),
        cmocka_unit_test(mismatch_names_each_attribute_with_both_values_and_fixes_nothing),
        cmocka_unit_test(raw_agrees_with_every_type),
        cmocka_unit_test(what_is_not_there_yet_is_unsupported),
        cmocka_unit_test(bad_names_and_attributes_are_refused_with_a_sentence),
        cmocka_unit_test(must_exist_does_not_create),
        cmocka_unit_test(closed_drained_and_unbound_is_forgotten_at_once),
        cmocka_unit_test(open_empty_and_unbound_is_forgotten_after_a_minute),
        cmocka_unit_test(channel_with_an_element_is_kept_unbound),
        cmocka_unit_test(query_shows_channels_with_their_ledger),
        cmocka_unit_test(query_splits_what_does_not_fit_an_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
