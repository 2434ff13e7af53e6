/* test_piece.c - elements that are cut into pieces and put together again.   SPDX-License-Identifier: MIT */
#include "proto/large.h"
#include "proto/limits.h"
#include "proto/piece.h"
#include "proto/scatter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t element[1000];
static uint64_t scattered_from; /* 0: no element is scattered */

static struct wire_section whole_of(uint64_t number, uint64_t bytes)
{
    for (size_t i = 0; i < sizeof element; i++)
        element[i] = (uint8_t)(i * 7 + i / 256);
    return (struct wire_section){
        .bind = 3, .count = 1, .number = number, .incarnation = 5, .epoch = 1, .bytes = bytes
    };
}

/* The piece as it is read from a frame; on success view is to be freed after it, with the frame. */
static int through_a_frame(const struct wire_section *piece, struct frame **f,
                           struct frame_view *view, const char **why)
{
    struct frame_writer w = { 0 };

    assert_int_equal(frame_writer_section(&w, piece), 0);
    *f = frame_writer_seal(&w, 1, 1, 0);
    assert_non_null(*f);
    return frame_read(view, (*f)->data, (*f)->len, why);
}

static int add(struct assembly *a, const struct wire_section *whole, uint64_t at, size_t max)
{
    struct wire_section piece;
    struct frame_view view;
    struct frame *f;
    const char *why = NULL;

    piece_cut(&piece, whole, element, at, max);
    assert_int_equal(through_a_frame(&piece, &f, &view, &why), 0);
    assert_int_equal(view.n_sections, 1);
    assert_int_equal(view.sections[0].offset, at);
    assert_int_equal(view.sections[0].size, piece.size);
    assert_int_equal(view.sections[0].bytes, whole->bytes);
    int rc = assembly_add(a, &view.sections[0], f, scattered_from, &why);
    frame_view_fini(&view);
    frame_unref(f);
    return rc;
}

static void pieces_of_any_size_make_the_element_again(void **state)
{
    static const size_t sizes[] = { 1, 2, 127, 128, 500, 999, 1000, 2000 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wire_section whole = whole_of(9, sizeof element), made;
        struct assembly a = { 0 };
        size_t at = 0, len;
        int rc = 0;

        for (uint64_t from = 0; from < sizeof element; from += sizes[i]) {
            assert_int_equal(rc, 0);
            rc = add(&a, &whole, from, sizes[i]);
        }
        assert_int_equal(rc, 1);
        struct frame *f = assembly_take(&a, &made);
        assert_null(a.frame);
        assert_int_equal(made.number, 9);
        assert_int_equal(made.count, 1);
        assert_int_equal(made.flags, 0);
        assert_int_equal(made.bytes, sizeof element);
        const uint8_t *bytes = section_element(&made, &at, &len);
        assert_int_equal(len, sizeof element);
        assert_int_equal(at, made.size);
        assert_memory_equal(bytes, element, len);
        frame_unref(f);
    }
}

static void only_the_next_piece_is_taken(void **state)
{
    struct wire_section whole = whole_of(9, 1000), other = whole_of(10, 1000),
                        longer = whole_of(9, 1001), offered = whole_of(9, 1000);
    struct assembly a = { 0 };

    (void)state;
    offered.flags = WIRE_OFFER;
    assert_int_equal(add(&a, &whole, 100, 100), -EPROTO); /* it was never begun */
    assert_int_equal(add(&a, &whole, 0, 100), 0);
    assert_int_equal(add(&a, &whole, 200, 100), -EPROTO);
    assert_int_equal(add(&a, &whole, 99, 100), -EPROTO);
    assert_int_equal(add(&a, &other, 100, 100), -EPROTO);
    assert_int_equal(add(&a, &longer, 100, 100), -EPROTO);
    assert_int_equal(add(&a, &offered, 100, 100), -EPROTO);
    assert_int_equal(add(&a, &whole, 100, 899), 0);
    assert_int_equal(add(&a, &whole, 999, 100), 1);
    assembly_drop(&a);
}

static void an_element_that_begins_again_replaces_what_was_under_way(void **state)
{
    struct wire_section first = whole_of(9, 1000), second = whole_of(9, 10), made;
    struct assembly a = { 0 };

    (void)state;
    assert_int_equal(add(&a, &first, 0, 600), 0);
    assert_int_equal(add(&a, &second, 0, 5), 0);
    assert_int_equal(add(&a, &first, 600, 400), -EPROTO);
    assert_int_equal(add(&a, &second, 5, 5), 1);
    frame_unref(assembly_take(&a, &made));
    assert_int_equal(made.bytes, 10);
}

/* The element of `made`, which lies in f, is ours, whether it is scattered or not.  Frees f. */
static void is_the_element(struct frame *f, struct wire_section made, bool scattered)
{
    uint8_t copy[sizeof element];
    size_t at = 0, len, size;

    assert_int_equal(frame_is_scattered(f), scattered);
    (void)section_element(&made, &at, &len);
    assert_int_equal(len, sizeof element);
    assert_int_equal(made.size, f->len);
    if (scattered) {
        scatter_copy(f, copy);
        assert_memory_equal(copy, element, sizeof element);
        for (at = 0; at < sizeof element; at++) {
            const uint8_t *bytes = scatter_at(f, at, &size);
            assert_true(size > 0 && size <= sizeof element - at);
            assert_memory_equal(bytes, element + at, size);
        }
        assert_int_equal(scatter_gather(&f, &made), 0);
        assert_false(frame_is_scattered(f));
    }
    at = 0;
    assert_memory_equal(section_element(&made, &at, &len), element, sizeof element);
    assert_int_equal(len, sizeof element);
    frame_unref(f);
}

static void a_large_element_may_stay_in_the_frames_that_brought_it(void **state)
{
    static const size_t sizes[] = { 50, 51, 100, 499, 999, 1000 };

    (void)state;
    scattered_from = 400; /* and in pieces of 50 at least */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wire_section whole = whole_of(9, sizeof element), made;
        struct assembly a = { 0 };
        int rc = 0;

        for (uint64_t from = 0; from < sizeof element; from += sizes[i])
            rc = add(&a, &whole, from, sizes[i]);
        assert_int_equal(rc, 1);
        is_the_element(assembly_take(&a, &made), made, true);
    }
    scattered_from = 0;
}

static void more_pieces_than_the_first_one_promises_are_kept_too(void **state)
{
    struct wire_section whole = whole_of(9, sizeof element), made;
    struct assembly a = { 0 };
    int rc = add(&a, &whole, 0, (scattered_from = 400));

    (void)state;
    for (uint64_t from = 400; from < sizeof element; from += 50) {
        assert_int_equal(rc, 0);
        rc = add(&a, &whole, from, 50);
    }
    assert_int_equal(rc, 1);
    is_the_element(assembly_take(&a, &made), made, true);
    scattered_from = 0;
}

static void very_small_pieces_are_not_kept_in_their_frames(void **state)
{
    for (uint64_t from = 0; from < 900; from += 100) { /* the small one begins there */
        struct wire_section whole = whole_of(9, sizeof element), made;
        struct assembly a = { 0 };

        (void)state;
        scattered_from = 400;
        for (uint64_t at = 0; at < from; at += 100)
            assert_int_equal(add(&a, &whole, at, 100), 0);
        assert_int_equal(add(&a, &whole, from, 49), 0);
        assert_false(frame_is_scattered(a.frame));
        assert_int_equal(add(&a, &whole, from + 49, 1000), 1);
        is_the_element(assembly_take(&a, &made), made, false);
    }
    scattered_from = 0;
}

static void what_is_small_or_very_large_is_not_scattered(void **state)
{
    struct wire_section small = whole_of(9, 400), large = whole_of(9, LARGE_MIN);
    struct assembly a = { 0 };

    (void)state;
    scattered_from = 400;
    assert_int_equal(add(&a, &small, 0, 200), 0);
    assert_false(frame_is_scattered(a.frame));
    assert_int_equal(add(&a, &large, 0, 200), 0);
    assert_false(frame_is_scattered(a.frame));
    assembly_drop(&a);
    scattered_from = 0;
}

static void a_part_does_not_hold_a_frame_that_is_far_larger(void **state)
{
    struct frame *brought = frame_new(2000), *f = scatter_new(1500, 1);

    (void)state;
    memset(brought->data, 1, brought->len);
    assert_int_equal(scatter_add(&f, brought, brought->data + 7, 500), 0);
    assert_int_equal(atomic_load(&brought->refs), 1);
    assert_int_equal(scatter_add(&f, brought, brought->data, 1000), 0);
    assert_int_equal(atomic_load(&brought->refs), 2);
    frame_unref(f);
    assert_int_equal(atomic_load(&brought->refs), 1);
    frame_unref(brought);
}

/* What a piece says of itself is wrong in one thing. */
static void read_bad(struct wire_section piece)
{
    struct frame_view view;
    struct frame *f;
    const char *why = NULL;

    assert_int_equal(through_a_frame(&piece, &f, &view, &why), -EPROTO);
    assert_non_null(why);
    frame_unref(f);
}

static void a_piece_that_cannot_be_is_refused(void **state)
{
    struct wire_section whole = whole_of(9, 1000), good, bad;

    (void)state;
    piece_cut(&good, &whole, element, 900, 100);
    bad = good;
    bad.count = 2;
    read_bad(bad);
    bad = good;
    bad.size = 0;
    read_bad(bad);
    bad = good;
    bad.offset = 901; /* one byte beyond its end */
    read_bad(bad);
    bad = good;
    bad.offset = UINT64_MAX - 50;
    read_bad(bad);
    bad = good;
    bad.bytes = 999;
    read_bad(bad);
    bad = good;
    bad.bytes = (uint64_t)WIRE_ELEMENT_MAX + 1;
    read_bad(bad);
    bad = good;
    bad.number = 0;
    read_bad(bad);
    bad = good;
    bad.flags |= WIRE_OFFER | WIRE_PATIENT;
    bad.position = 1;
    read_bad(bad);
}

static void an_element_of_a_gibibyte_may_come_and_a_dead_one_with_its_header(void **state)
{
    struct wire_section whole = whole_of(9, WIRE_ELEMENT_MAX), piece;
    struct frame_view view;
    struct frame *f;
    const char *why;

    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        piece_cut(&piece, &whole, element, 0, sizeof element);
        piece.offset = whole.bytes - piece.size;
        assert_int_equal(through_a_frame(&piece, &f, &view, &why), 0);
        frame_view_fini(&view);
        frame_unref(f);
        whole.flags = WIRE_DEAD;
        whole.bytes += WIRE_DEAD_MAX;
    }
    piece.bytes++;
    read_bad(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_make_the_element_again),
        cmocka_unit_test(only_the_next_piece_is_taken),
        cmocka_unit_test(an_element_that_begins_again_replaces_what_was_under_way),
        cmocka_unit_test(a_large_element_may_stay_in_the_frames_that_brought_it),
        cmocka_unit_test(more_pieces_than_the_first_one_promises_are_kept_too),
        cmocka_unit_test(very_small_pieces_are_not_kept_in_their_frames),
        cmocka_unit_test(what_is_small_or_very_large_is_not_scattered),
        cmocka_unit_test(a_part_does_not_hold_a_frame_that_is_far_larger),
        cmocka_unit_test(a_piece_that_cannot_be_is_refused),
        cmocka_unit_test(an_element_of_a_gibibyte_may_come_and_a_dead_one_with_its_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
