/* test_core_tap.c - watching what live channels accept.   SPDX-License-Identifier: MIT */
#include "tests/core/inquiry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A node that has a tap on x; the Answer to its last question. */
struct watcher {
    struct node *node;
    uint32_t tap, id;
};

static const struct wire_control *heard(const struct watcher *t)
{
    const struct message *m = t->node->answer;

    return m != NULL && m->bind == t->id ? &m->control : NULL;
}

static void tap_asks(struct watcher *t, struct wire_control c)
{
    c.what = WIRE_TAP;
    c.bind = ++t->id;
    say(t->node, &c);
    world_pump(t->node->world);
}

static struct watcher taps(struct world *w, const char *name, uint32_t rate)
{
    struct watcher t = { .node = node_new(w, "tapper") };

    tap_asks(&t, (struct wire_control){ .peek = { .name = name, .rate = rate } });
    assert_non_null(heard(&t));
    t.tap = heard(&t)->answer.tap;
    return t;
}

static void next_page(struct watcher *t)
{
    tap_asks(t, (struct wire_control){ .peek = { .name = "", .tap = t->tap } });
}

/* What came: the positions, and what was skipped: "1 2 (3) 6 (2)". */
static const char *tapped(const struct watcher *t)
{
    static char text[4000];
    const struct wire_control *c = heard(t);
    size_t len = 0;

    if (c == NULL)
        return "nothing yet";
    text[0] = '\0';
    for (uint32_t i = 0; i < c->answer.n_elements; i++) {
        const struct wire_element *e = &c->answer.elements[i];
        if (e->skipped > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "(%llu) ",
                                    (unsigned long long)e->skipped);
        len += (size_t)snprintf(text + len, sizeof text - len, "%llu ",
                                (unsigned long long)e->position);
    }
    if (c->answer.skipped > 0)
        len += (size_t)snprintf(text + len, sizeof text - len, "(%llu) ",
                                (unsigned long long)c->answer.skipped);
    if (len > 0)
        text[len - 1] = '\0';
    return text;
}

static void tap_gets_what_is_accepted_from_then_on(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 2, 8);
    struct watcher t = taps(w, "x", 0);
    next_page(&t);
    assert_string_equal(tapped(&t), "nothing yet");
    sends(out, 3, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "3 4 5");
    assert_memory_equal(heard(&t)->answer.elements[0].bytes, "\2\0\0\0\0\0\0\0", 8);
    next_page(&t);
    assert_string_equal(tapped(&t), "nothing yet");
    struct handle *in = bind_in(node_new(w, "r"), "x", 0);
    receives(in, 5);
    world_pump(w);
    assert_int_equal(in->got.n, 5); /* no tap has taken any */
    assert_true(in->in_order);
    assert_int_equal(info(w, "x").n_taps, 1);
    assert_int_equal(w->nodes.at[0]->answer->tap.tapped, 3);
    assert_int_equal(w->nodes.at[0]->answer->tap.skipped, 0);
    assert_int_equal(info(w, "x").receivers, 1);
    assert_null(world_fault(w));
    world_free(w);
}

static void tap_holds_so_much_and_skips_the_rest(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 16000);
    world_pump(w);
    struct watcher t = taps(w, "x", 100000);
    sends(out, 5000, 8);
    world_pump(w);
    assert_int_equal(info(w, "x").accepted, 5000); /* nobody asks, and nobody waits for that */
    assert_int_equal(info(w, "x").n_taps, 1);
    assert_int_equal(w->nodes.at[0]->answer->tap.tapped, 4096);
    assert_int_equal(w->nodes.at[0]->answer->tap.skipped, 904);
    uint64_t next = 1;
    for (bool skipped = false; !skipped;) {
        next_page(&t);
        const struct wire_control *c = heard(&t);
        assert_non_null(c);
        for (uint32_t i = 0; i < c->answer.n_elements; i++) {
            assert_int_equal(c->answer.elements[i].position, next++);
            assert_int_equal(c->answer.elements[i].skipped, 0);
        }
        skipped = c->answer.skipped == 904;
        assert_true(skipped || c->answer.skipped == 0);
    }
    assert_int_equal(next, 4097);
    sends(out, 1, 8);
    world_pump(w);
    next_page(&t);
    assert_string_equal(tapped(&t), "5001");
    world_free(w);
}

static void tap_is_bounded_in_bytes_too(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 1000);
    world_pump(w);
    struct watcher t = taps(w, "x", 0);
    sends(out, 1, 2000000); /* more than it may hold at all */
    sends(out, 3, 400000);
    world_pump(w);
    (void)info(w, "x");
    assert_int_equal(w->nodes.at[0]->answer->tap.tapped, 2);
    assert_int_equal(w->nodes.at[0]->answer->tap.skipped, 2);
    uint64_t bytes = 0;
    while (bytes < 800000) { /* in pieces */
        next_page(&t);
        const struct wire_element *e = &heard(&t)->answer.elements[0];
        assert_int_equal(heard(&t)->answer.n_elements, 1);
        assert_int_equal(e->position, bytes < 400000 ? 2 : 3);
        assert_int_equal(e->skipped, bytes == 0 ? 1 : 0);
        assert_int_equal(e->offset, bytes % 400000);
        bytes += e->len;
    }
    assert_int_equal(heard(&t)->answer.skipped, 1);
    world_free(w);
}

static void tap_keeps_to_its_rate(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 1000);
    world_pump(w);
    struct watcher t = taps(w, "x", 3);
    next_page(&t);
    sends(out, 5, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "1 2 3 (2)"); /* as many at once as in a second */
    next_page(&t);
    world_later(w, 340);
    sends(out, 2, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "6 (1)");
    next_page(&t);
    sends(out, 2, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "nothing yet"); /* what is only skipped is told later */
    world_later(w, 1000);
    assert_string_equal(tapped(&t), "(2)");
    next_page(&t);
    world_later(w, 10000);
    assert_string_equal(tapped(&t), "nothing yet");
    sends(out, 5, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "10 11 12 (2)");
    world_free(w);
}

static void tap_ends_with_its_channel_when_all_is_told(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 0, 8);
    struct watcher t = taps(w, "x", 0);
    sends(out, 300, 8);
    world_pump(w);
    handle_close(out, 0);
    handle_unbind(out);
    receives(bind_in(node_new(w, "r"), "x", 0), 300);
    world_pump(w);
    uint32_t n = 0;
    do {
        next_page(&t);
        n += heard(&t)->answer.n_elements;
        assert_true(heard(&t)->answer.code == WIRE_OK || n == 300);
    } while (heard(&t)->answer.code == WIRE_OK);
    assert_int_equal(heard(&t)->answer.code, WIRE_CLOSED);
    assert_string_equal(heard(&t)->answer.sentence, "channel \"x\": it was closed");
    next_page(&t);
    assert_int_equal(heard(&t)->answer.code, WIRE_NOT_FOUND);
    assert_null(world_fault(w));
    world_free(w);
}

static void tap_is_told_how_its_channel_ended(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->mortal = true;
    struct handle *out = holds(w, 1, 8), *in = bind_in(node_new(w, "r"), "x", 0);
    struct watcher removed = taps(w, "x", 0);
    next_page(&removed);
    world_pump(w);
    assert_int_equal(asks_removal(w, "x", true)->answer.code, WIRE_OK);
    assert_int_equal(heard(&removed)->answer.code, WIRE_REMOVED);

    out = bind_out(out->node, "x", 5);
    in = bind_in(in->node, "x", 0);
    world_pump(w);
    struct watcher cancelled = taps(w, "x", 0);
    next_page(&cancelled);
    handle_close(in, -7);
    world_pump(w);
    assert_int_equal(heard(&cancelled)->answer.code, WIRE_CANCELLED);
    handle_unbind(in);
    handle_unbind(out);
    world_pump(w);

    out = bind_out(out->node, "x", 5);
    world_pump(w);
    struct watcher idle = taps(w, "x", 0);
    next_page(&idle);
    handle_unbind(out);
    world_pump(w);
    assert_string_equal(tapped(&idle), "nothing yet");
    world_later(w, 61000); /* a tap does not keep it */
    assert_int_equal(heard(&idle)->answer.code, WIRE_NOT_FOUND);
    assert_int_equal(core_used(w->core, "x"), -1);
    world_free(w);
}

static void taps_are_few(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    holds(w, 1, 8);
    struct watcher t = taps(w, "x", 0);
    uint32_t numbers[4] = { t.tap };
    for (int i = 1; i < 4; i++) {
        tap_asks(&t, (struct wire_control){ .peek = { .name = "x" } });
        assert_int_equal(heard(&t)->answer.code, WIRE_OK);
        numbers[i] = heard(&t)->answer.tap;
    }
    tap_asks(&t, (struct wire_control){ .peek = { .name = "x" } });
    assert_int_equal(heard(&t)->answer.code, WIRE_NO_MEMORY);
    tap_asks(&t, (struct wire_control){ .peek = { .name = "", .tap = numbers[2], .end = true } });
    assert_int_equal(heard(&t)->answer.code, WIRE_OK);
    tap_asks(&t, (struct wire_control){ .peek = { .name = "x" } });
    assert_int_equal(heard(&t)->answer.code, WIRE_OK);
    for (int i = 0; i < 12; i++)
        (void)taps(w, "x", 0);
    struct watcher last = { .node = node_new(w, "last") };
    tap_asks(&last, (struct wire_control){ .peek = { .name = "x" } });
    assert_int_equal(heard(&last)->answer.code, WIRE_NO_MEMORY); /* those of the channel */
    node_end(t.node);
    tap_asks(&last, (struct wire_control){ .peek = { .name = "x" } });
    assert_int_equal(heard(&last)->answer.code, WIRE_OK);
    tap_asks(&last, (struct wire_control){ .peek = { .name = "nobody" } });
    assert_int_equal(heard(&last)->answer.code, WIRE_NOT_FOUND);
    world_free(w);
}

static void what_is_sent_with_a_delay_is_shown_last_and_tapped_when_it_is_to_be_had(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 1, 8);
    struct watcher t = taps(w, "x", 0);
    next_page(&t);
    sends_timed(out, 2, 8, 500, 0);
    sends(out, 1, 8);
    world_pump(w);
    assert_string_equal(tapped(&t), "2"); /* the one without a delay */
    sees(w, 0, 0, "1 buffered; 2 buffered; 0 delayed; 0 delayed");
    sees(w, 0, 3,
         "1 buffered; 2 buffered; 0 delayed"); /* what has no position cannot be asked for */
    sees(w, 0, 1, "1 buffered +");
    assert_int_equal(peeks(w, "x", 3, 1, 0)->answer.elements[0].due_ms, 500);
    next_page(&t);
    world_later(w, 500);
    assert_string_equal(tapped(&t), "3 4");
    sees(w, 0, 0, "1 buffered; 2 buffered; 3 buffered; 4 buffered");
    sends_timed(out, 2, 8, 500, 0);
    world_pump(w);
    assert_int_equal(asks_purge(w, "x")->answer.dropped, 6);
    world_later(w, 1000);
    assert_int_equal(info(w, "x").buffered, 0);
    assert_int_equal(info(w, "x").dropped_purged, 6);
    world_free(w);
}

static void newer_question_has_the_older_one_answered(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = holds(w, 0, 8);
    struct watcher t = taps(w, "x", 0);
    next_page(&t);
    t.id--; /* as if it still waited for that */
    say(t.node, &(struct wire_control){
                    .what = WIRE_TAP, .bind = t.id + 2, .peek = { .name = "", .tap = t.tap } });
    t.id++;
    world_pump(w);
    assert_string_equal(tapped(&t), ""); /* an answer, with nothing */
    sends(out, 1, 8);
    world_pump(w);
    t.id++;
    assert_string_equal(tapped(&t), "1");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tap_gets_what_is_accepted_from_then_on),
        cmocka_unit_test(tap_holds_so_much_and_skips_the_rest),
        cmocka_unit_test(tap_is_bounded_in_bytes_too),
        cmocka_unit_test(tap_keeps_to_its_rate),
        cmocka_unit_test(tap_ends_with_its_channel_when_all_is_told),
        cmocka_unit_test(tap_is_told_how_its_channel_ended),
        cmocka_unit_test(taps_are_few),
        cmocka_unit_test(what_is_sent_with_a_delay_is_shown_last_and_tapped_when_it_is_to_be_had),
        cmocka_unit_test(newer_question_has_the_older_one_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
