/* test_store.c - elements delivered ahead of time: taken in front, given back behind.   SPDX-License-Identifier: MIT */
#include "node/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A frame whose bytes are `count` elements of one byte each, 'a' + the element's delivery number. */
static struct frame *deliver_timed(struct store *s, uint64_t number, uint32_t count,
                                   int64_t expires_ns)
{
    struct frame *f = frame_new(2 * count);
    assert_non_null(f);
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        used += element_prefix(f->data + used, 1);
        f->data[used++] = (uint8_t)('a' + number + i);
    }
    struct wire_section section = {
        .count = count,
        .number = number,
        .size = (uint32_t)used,
        .bytes = count,
        .body = f->data,
    };
    assert_int_equal(store_push_timed(s, f, &section, expires_ns), 0);
    return f;
}

static struct frame *deliver(struct store *s, uint64_t number, uint32_t count)
{
    return deliver_timed(s, number, count, STORE_NEVER);
}

static void take(struct store *s, uint64_t number)
{
    struct store_item item;
    assert_true(store_pop(s, &item));
    assert_int_equal(item.delivery, number);
    assert_int_equal(item.len, 1);
    assert_int_equal(item.data[0], 'a' + number);
    frame_unref(item.frame);
}

static void elements_are_taken_in_the_order_of_delivery(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    frame_unref(deliver(&s, 1, 3));
    frame_unref(deliver(&s, 4, 2));
    assert_int_equal(s.len, 5);
    for (uint64_t n = 1; n <= 5; n++)
        take(&s, n);
    struct store_item item;
    assert_false(store_pop(&s, &item));
    store_fini(&s);
}

static void what_has_another_size_stays(void **state)
{
    (void)state;
    uint8_t to[2] = { 0 };
    struct store s;
    struct frame *frame = NULL;
    store_init(&s);
    struct frame *f = deliver(&s, 1, 2);
    assert_int_equal(store_take(&s, to, 2, &frame), 0);
    assert_int_equal(to[0], 0);
    assert_int_equal(s.len, 2);
    assert_int_equal(store_take(&s, to, 1, &frame), 1);
    assert_int_equal(to[0], 'b');
    assert_null(frame);
    assert_int_equal(store_take(&s, to, 0, &frame), 0);
    assert_int_equal(store_take(&s, to, 1, &frame), 2);
    assert_int_equal(to[0], 'c');
    assert_ptr_equal(frame, f); /* the last takes the reference along */
    assert_int_equal(atomic_load(&f->refs), 2);
    frame_unref(frame);
    assert_int_equal(s.len + s.parts, 0);
    frame_unref(f);
    store_fini(&s);
}

static void copied_element_holds_no_frame_unless_it_is_large_or_the_last(void **state)
{
    (void)state;
    uint8_t room[1];
    struct store s;
    struct store_item item;
    store_init(&s);
    struct frame *f = deliver(&s, 1, 3);
    store_pop_copy(&s, &item, room, sizeof room);
    assert_null(item.frame);
    assert_ptr_equal(item.data, room);
    assert_int_equal(room[0], 'b');
    assert_int_equal(atomic_load(&f->refs), 2);
    store_pop_copy(&s, &item, room, 0);
    assert_ptr_equal(item.frame, f);
    assert_int_equal(item.data[0], 'c');
    assert_int_equal(atomic_load(&f->refs), 3);
    frame_unref(item.frame);
    store_pop_copy(&s, &item, room, sizeof room);
    assert_ptr_equal(item.frame, f);
    assert_int_equal(item.data[0], 'd');
    assert_int_equal(item.delivery, 3);
    assert_int_equal(atomic_load(&f->refs), 2);
    frame_unref(item.frame);
    assert_int_equal(s.len, 0);
    frame_unref(f);
    store_fini(&s);
}

static void a_small_part_does_not_hold_a_large_frame(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    for (uint32_t i = 0; i < 2; i++) {
        struct frame *f = frame_new(2000);
        assert_non_null(f);
        uint32_t size = i == 0 ? 999 : 1000;
        size_t prefix = element_prefix(f->data, size - 2);
        memset(f->data + prefix, 'x', size - 2);
        struct wire_section section = {
            .count = 1, .number = i + 1, .size = size, .bytes = size - 2, .body = f->data
        };
        assert_int_equal(store_push(&s, f, &section), 0);
        assert_int_equal(atomic_load(&f->refs), 2);
        store_settle(&s);
        store_settle(&s); /* once more is not worse */
        assert_int_equal(atomic_load(&f->refs), i == 0 ? 1 : 2);
        frame_unref(f); /* what is kept lives on */
        struct store_item item;
        assert_true(store_pop(&s, &item));
        assert_int_equal(item.len, size - 2);
        assert_int_equal(item.data[item.len - 1], 'x');
        frame_unref(item.frame);
    }
    store_fini(&s);
}

static void what_is_half_taken_when_it_settles_is_whole_all_the_same(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    store_settle(&s); /* nothing is there */
    struct frame *f = frame_new(2000);
    assert_non_null(f);
    for (size_t i = 0; i < 4; i++)
        memcpy(f->data + 2 * i, (uint8_t[]){ 1, (uint8_t)('a' + i) }, 2);
    struct wire_section section = {
        .count = 4, .number = 1, .size = 8, .bytes = 4, .body = f->data
    };
    assert_int_equal(store_push(&s, f, &section), 0);
    struct store_item item;
    assert_true(store_pop(&s, &item));
    assert_int_equal(item.data[0], 'a');
    store_settle(&s);
    assert_int_equal(atomic_load(&f->refs), 2); /* the item's */
    frame_unref(item.frame);
    frame_unref(f);
    for (uint8_t i = 1; i < 4; i++) {
        assert_true(store_pop(&s, &item));
        assert_int_equal(item.data[0], 'a' + i);
        frame_unref(item.frame);
    }
    assert_false(store_pop(&s, &item));
    store_fini(&s);
}

static void the_newest_are_given_back(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    uint64_t first = 0;
    frame_unref(deliver(&s, 1, 3));
    frame_unref(deliver(&s, 4, 2));
    take(&s, 1);
    assert_int_equal(store_return(&s, 3, &first), 3);
    assert_int_equal(first, 3);
    assert_int_equal(s.len, 1);
    take(&s, 2);
    assert_int_equal(s.len, 0);
    store_fini(&s);
}

static void no_more_is_given_back_than_there_is(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    uint64_t first = 0;
    assert_int_equal(store_return(&s, 10, &first), 0);
    frame_unref(deliver(&s, 1, 3));
    take(&s, 1);
    assert_int_equal(store_return(&s, 10, &first), 2);
    assert_int_equal(first, 2);
    assert_int_equal(store_return(&s, 10, &first), 0);
    store_fini(&s);
}

static void numbers_go_on_after_what_was_given_back(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    uint64_t first = 0;
    frame_unref(deliver(&s, 1, 3));
    store_return(&s, 2, &first);
    frame_unref(deliver(&s, 4, 1));
    take(&s, 1);
    take(&s, 4);
    store_fini(&s);
}

static void numbers_that_do_not_grow_are_refused(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    struct frame *f = deliver(&s, 5, 1);
    struct wire_section again = { .count = 1, .number = 5, .size = 2, .body = f->data };
    assert_int_equal(store_push(&s, f, &again), -EPROTO);
    frame_unref(f);
    store_fini(&s);
}

static void frames_are_kept_as_long_as_one_element_of_them(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    struct frame *f = deliver(&s, 1, 2);
    struct store_item item;
    assert_int_equal(atomic_load(&f->refs), 2);
    take(&s, 1);
    assert_int_equal(atomic_load(&f->refs), 2);
    assert_true(store_pop(&s, &item));
    assert_int_equal(atomic_load(&f->refs), 2);
    frame_unref(item.frame);
    assert_int_equal(atomic_load(&f->refs), 1);
    frame_unref(f);
    store_fini(&s);
}

static void what_has_expired_is_dropped_wherever_it_lies(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    frame_unref(deliver(&s, 1, 2));
    frame_unref(deliver_timed(&s, 3, 3, 200));
    struct frame *f = deliver_timed(&s, 6, 2, 100);
    frame_unref(deliver_timed(&s, 8, 1, 300));
    assert_int_equal(s.first_ns, 100);
    assert_false(store_expire(&s, 99));
    assert_true(store_expire(&s, 100));
    assert_int_equal(s.len, 6);
    assert_int_equal(s.first_ns, 200);
    assert_int_equal(atomic_load(&f->refs), 1);
    frame_unref(f);
    for (uint64_t n = 1; n <= 3; n++)
        take(&s, n);
    assert_true(store_expire(&s, 250)); /* what is left of its part */
    take(&s, 8);
    assert_int_equal(s.first_ns, STORE_NEVER);
    assert_int_equal(s.n_gaps, 2);
    assert_int_equal(s.gaps[0].first, 6);
    assert_int_equal(s.gaps[0].count, 2);
    assert_int_equal(s.gaps[1].first, 4);
    assert_int_equal(s.gaps[1].count, 2);
    store_told(&s, 1);
    assert_int_equal(s.n_gaps, 1);
    assert_int_equal(s.gaps[0].first, 4);
    store_fini(&s);
}

static void what_is_given_back_has_no_gap(void **state)
{
    (void)state;
    struct store s;
    uint64_t first = 0;
    store_init(&s);
    frame_unref(deliver(&s, 1, 3));
    frame_unref(deliver_timed(&s, 4, 2, 100));
    frame_unref(deliver(&s, 6, 2));
    assert_true(store_expire(&s, 100));
    assert_int_equal(store_return(&s, 4, &first), 2);
    assert_int_equal(first, 6);
    assert_int_equal(store_return(&s, 4, &first), 3);
    assert_int_equal(first, 1);
    store_fini(&s);
}

/* Many come and expire: what was told makes room. */
static void there_is_always_room_for_what_expires(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    for (uint64_t n = 1; n <= 1000; n++) {
        frame_unref(deliver_timed(&s, n, 1, (int64_t)(n ^ 5)));
        if (n % 3 == 0)
            store_expire(&s, (int64_t)n);
        if (n % 50 == 0)
            store_told(&s, s.n_gaps / 2);
        assert_true(s.timed + s.n_gaps <= s.gaps_cap);
    }
    store_expire(&s, 2000);
    assert_int_equal(s.len, 0);
    assert_int_equal(s.timed, 0);
    store_fini(&s);
}

static void many_sections_wrap_around(void **state)
{
    (void)state;
    struct store s;
    store_init(&s);
    uint64_t pushed = 0, taken = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3 + round % 5; i++)
            frame_unref(deliver(&s, ++pushed, 1));
        for (int i = 0; i < 3 && taken < pushed; i++)
            take(&s, ++taken);
    }
    while (taken < pushed)
        take(&s, ++taken);
    assert_int_equal(s.parts, 0);
    store_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_taken_in_the_order_of_delivery),
        cmocka_unit_test(what_has_another_size_stays),
        cmocka_unit_test(copied_element_holds_no_frame_unless_it_is_large_or_the_last),
        cmocka_unit_test(a_small_part_does_not_hold_a_large_frame),
        cmocka_unit_test(what_is_half_taken_when_it_settles_is_whole_all_the_same),
        cmocka_unit_test(the_newest_are_given_back),
        cmocka_unit_test(no_more_is_given_back_than_there_is),
        cmocka_unit_test(numbers_go_on_after_what_was_given_back),
        cmocka_unit_test(numbers_that_do_not_grow_are_refused),
        cmocka_unit_test(frames_are_kept_as_long_as_one_element_of_them),
        cmocka_unit_test(what_has_expired_is_dropped_wherever_it_lies),
        cmocka_unit_test(what_is_given_back_has_no_gap),
        cmocka_unit_test(there_is_always_room_for_what_expires),
        cmocka_unit_test(many_sections_wrap_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
