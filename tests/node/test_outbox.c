/* test_outbox.c - credit, numbers and chunks of the sending side.   SPDX-License-Identifier: MIT */
#include "node/outbox.h"
#include "proto/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct chunk_pool pool;
static const struct manner plain, headed = { .flags = WIRE_HEADED },
                                  later = { .flags = WIRE_TIMED, .delay_ms = 5 },
                                  brief = { .flags = WIRE_TIMED, .ttl_ms = 5 };

static struct outbox outbox_with(uint64_t elements, uint64_t bytes)
{
    struct outbox o;
    outbox_init(&o, &pool);
    outbox_credit(&o, elements, bytes);
    return o;
}

static uint64_t push(struct outbox *o, const char *text)
{
    uint64_t number = 0;
    assert_true(outbox_fits(o, strlen(text)));
    assert_int_equal(outbox_push(o, &plain, (const uint8_t *)text, strlen(text), &number), 0);
    return number;
}

/* Everything that is queued departs: its elements, separated by spaces. */
static void depart(struct outbox *o, char *out)
{
    struct chunk *c;
    out[0] = '\0';
    while ((c = outbox_take(o)) != NULL) {
        struct wire_section s = { .count = c->count, .size = (uint32_t)c->len, .body = c->data };
        size_t at = 0, len, sum = 0;
        for (uint32_t i = 0; i < c->count; i++) {
            const uint8_t *e = section_element(&s, &at, &len);
            strncat(out, (const char *)e, len);
            strcat(out, " ");
            sum += len;
        }
        assert_int_equal(at, c->len);
        assert_int_equal(sum, c->bytes);
        outbox_give(o, c);
    }
}

static void push_uses_an_element_and_its_bytes(void **state)
{
    (void)state;
    struct outbox o = outbox_with(2, 10);
    assert_int_equal(push(&o, "abcd"), 1);
    assert_int_equal(o.credit_elements, 1);
    assert_int_equal(o.credit_bytes, 6);
    assert_true(outbox_fits(&o, 6));
    assert_false(outbox_fits(&o, 7));
    assert_int_equal(push(&o, ""), 2);
    assert_false(outbox_fits(&o, 0));
    outbox_fini(&o);
}

static void surrender_leaves_nothing(void **state)
{
    (void)state;
    struct outbox o = outbox_with(3, 30);
    uint64_t elements, bytes;
    push(&o, "x");
    outbox_surrender(&o, &elements, &bytes);
    assert_int_equal(elements, 2);
    assert_int_equal(bytes, 29);
    assert_false(outbox_fits(&o, 0));
    outbox_fini(&o);
}

static void elements_depart_in_order_with_growing_numbers(void **state)
{
    (void)state;
    struct outbox o = outbox_with(100, 1000);
    char out[200];
    push(&o, "a");
    push(&o, "bb");
    assert_int_equal(o.head->first, 1);
    depart(&o, out);
    assert_string_equal(out, "a bb ");
    assert_int_equal(o.departed, 2);
    assert_int_equal(push(&o, "c"), 3);
    assert_int_equal(o.head->first, 3);
    depart(&o, out);
    assert_string_equal(out, "c ");
    outbox_fini(&o);
}

static void chunks_stay_below_the_frame_target(void **state)
{
    (void)state;
    struct outbox o = outbox_with(2000, UINT64_C(1) << 30);
    uint8_t element[1000];
    memset(element, 'e', sizeof element);
    uint64_t number;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    uint64_t next = 1;
    int chunks = 0;
    while (outbox_next_size(&o) > 0) {
        assert_true(outbox_next_size(&o) < WIRE_FRAME_TARGET);
        struct chunk *c = outbox_take(&o);
        assert_int_equal(c->first, next);
        next += c->count;
        chunks++;
        outbox_give(&o, c);
    }
    assert_int_equal(next, 1001);
    assert_in_range(chunks, 6, 8); /* the first ones are smaller */
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

/* Room for as many bytes as there are elements behind the first, not for a frame. */
static void a_few_elements_take_little_memory(void **state)
{
    (void)state;
    struct outbox o = outbox_with(2000, UINT64_C(1) << 30);
    uint8_t element[100] = { 0 };
    uint64_t number;
    for (int i = 0; i < 20; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    assert_non_null(o.head->next);
    assert_true(o.head->cap + o.head->next->cap < 8192);
    assert_null(o.head->next->next);
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

static void who_fills_large_chunks_gets_them_at_once(void **state)
{
    (void)state;
    struct outbox o = outbox_with(2000, UINT64_C(1) << 30);
    uint8_t element[1000] = { 0 };
    char out[200];
    uint64_t number;
    struct chunk *c;
    for (int i = 0; i < 300; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    size_t full = o.tail->cap;
    assert_true(full > WIRE_FRAME_TARGET / 2);
    while ((c = outbox_take(&o)) != NULL)
        outbox_give(&o, c);
    for (int i = 0; i < 2; i++) /* the first one in a small chunk */
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    assert_int_equal(o.tail->cap, full);
    depart(&o, out);            /* nearly empty */
    for (int i = 0; i < 2; i++) /* the first one in a small chunk */
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    assert_true(o.tail->cap < full);
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

static void chunks_behind_others_are_kept_for_the_next(void **state)
{
    (void)state;
    struct outbox o = outbox_with(2000, UINT64_C(1) << 30);
    uint8_t element[1000] = { 0 };
    char out[200];
    uint64_t number;
    assert_int_equal(pool.kept_bytes, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    const struct chunk *behind = o.tail;
    size_t cap = behind->cap;
    depart(&o, out);
    assert_int_equal(pool.kept_bytes, cap);
    assert_int_equal(atomic_load(&pool.queued), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    assert_ptr_equal(o.tail, behind);
    assert_int_equal(pool.kept_bytes, 0);
    assert_int_equal(atomic_load(&pool.queued), cap);
    depart(&o, out);
    chunk_pool_rest(&pool); /* half, rounded up */
    assert_int_equal(pool.kept_bytes, 0);
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

static void no_more_is_kept_than_32_mib(void **state)
{
    (void)state;
    static struct outbox o[10000];
    uint8_t element[1000] = { 0 };
    char out[200];
    uint64_t number;
    for (size_t k = 0; k < 10000; k++) {
        o[k] = outbox_with(2000, UINT64_C(1) << 30);
        for (int i = 0; i < 2; i++)
            assert_int_equal(outbox_push(&o[k], &plain, element, sizeof element, &number), 0);
    }
    for (size_t k = 0; k < 10000; k++) {
        depart(&o[k], out);
        outbox_fini(&o[k]);
    }
    assert_int_equal(pool.kept_bytes, 32 << 20);
    chunk_pool_rest(&pool);
    assert_int_equal(pool.kept_bytes, 16 << 20);
    chunk_pool_fini(&pool);
    assert_int_equal(pool.kept_bytes, 0);
}

static void large_element_has_a_chunk_of_its_own(void **state)
{
    (void)state;
    size_t len = 3u << 20;
    struct outbox o = outbox_with(3, 2 * len);
    uint8_t *large = calloc(1, len);
    uint64_t number;
    push(&o, "before");
    assert_int_equal(outbox_push(&o, &plain, large, len, &number), 0);
    push(&o, "after");
    struct chunk *c = outbox_take(&o);
    assert_int_equal(c->count, 1);
    outbox_give(&o, c);
    c = outbox_take(&o);
    assert_int_equal(c->count, 1);
    assert_int_equal(c->bytes, len);
    outbox_give(&o, c);
    c = outbox_take(&o);
    assert_int_equal(c->first, 3);
    outbox_give(&o, c);
    free(large);
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

static void withdrawal_closes_the_gap_and_returns_the_credit(void **state)
{
    (void)state;
    struct outbox o = outbox_with(3, 30);
    char out[200];
    push(&o, "a");
    uint64_t b = push(&o, "bbbb");
    push(&o, "c");
    assert_true(outbox_withdraw(&o, b));
    assert_int_equal(o.numbered, 2);
    assert_int_equal(o.credit_elements, 1);
    assert_int_equal(o.credit_bytes, 28);
    depart(&o, out);
    assert_string_equal(out, "a c ");
    outbox_fini(&o);
}

static void withdrawing_the_only_element_leaves_nothing_to_depart(void **state)
{
    (void)state;
    struct outbox o = outbox_with(1, 9);
    assert_true(outbox_withdraw(&o, push(&o, "only")));
    assert_null(outbox_take(&o));
    assert_int_equal(push(&o, "again"), 1);
    outbox_fini(&o);
}

static void withdrawal_from_the_middle_renumbers_later_chunks(void **state)
{
    (void)state;
    struct outbox o = outbox_with(300, UINT64_C(1) << 30);
    uint8_t element[1000] = { 0 };
    uint64_t number;
    for (int i = 0; i < 200; i++)
        assert_int_equal(outbox_push(&o, &plain, element, sizeof element, &number), 0);
    assert_true(outbox_withdraw(&o, 3));
    struct chunk *c;
    uint64_t next = 1;
    while ((c = outbox_take(&o)) != NULL) {
        assert_int_equal(c->first, next);
        next += c->count;
        outbox_give(&o, c);
    }
    assert_int_equal(next, 200);
    outbox_fini(&o);
    chunk_pool_fini(&pool);
}

static void elements_of_another_manner_have_chunks_of_their_own(void **state)
{
    (void)state;
    struct outbox o = outbox_with(10, 30);
    const struct manner *manners[] = { &plain,  &headed, &headed, &plain, &headed,
                                       &headed, &later,  &later,  &brief, &plain };
    const uint32_t counts[] = { 1, 2, 1, 2, 2, 1, 1 };
    struct chunk *c;
    uint64_t number, next = 1;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(outbox_push(&o, manners[i], (const uint8_t *)"x", 1, &number), 0);
    for (size_t i = 0; i < 7; i++) {
        size_t size = outbox_next_size(&o);
        c = outbox_take(&o);
        assert_int_equal(size, (c->manner.flags & WIRE_TIMED ? 72 : 56) + c->len);
        assert_int_equal(c->first, next);
        assert_int_equal(c->count, counts[i]);
        assert_true(manner_same(&c->manner, manners[next - 1]));
        next += c->count;
        outbox_give(&o, c);
    }
    assert_null(outbox_take(&o));
    outbox_fini(&o);
}

static void departed_element_cannot_be_withdrawn(void **state)
{
    (void)state;
    struct outbox o = outbox_with(3, 30);
    char out[200];
    uint64_t a = push(&o, "a");
    depart(&o, out);
    assert_false(outbox_withdraw(&o, a));
    outbox_fini(&o);
}

static void untaken_chunk_goes_first_again(void **state)
{
    (void)state;
    struct outbox o = outbox_with(3, 30);
    char out[200];
    push(&o, "a");
    struct chunk *c = outbox_take(&o);
    push(&o, "b");
    outbox_untake(&o, c);
    assert_int_equal(o.departed, 0);
    depart(&o, out);
    assert_string_equal(out, "a b ");
    outbox_fini(&o);
}

static void only_what_departed_can_be_accepted(void **state)
{
    (void)state;
    struct outbox o = outbox_with(3, 30);
    char out[200];
    push(&o, "a");
    assert_int_equal(outbox_accept(&o, 1), -EPROTO);
    depart(&o, out);
    assert_int_equal(outbox_accept(&o, 1), 0);
    assert_int_equal(o.accepted, 1);
    assert_int_equal(outbox_accept(&o, 0), 0);
    assert_int_equal(o.accepted, 1);
    outbox_fini(&o);
}

/* Pieces are of 10 bytes, and what is longer than 40 is large. */
static struct outbox outbox_of_pieces(void)
{
    pool.piece = 10;
    struct outbox o = outbox_with(9, 900);
    pool.piece = 0;
    return o;
}

static void push_large(struct outbox *o, char fill, size_t len)
{
    uint8_t *data = malloc(len);
    uint64_t number;
    memset(data, fill, len);
    assert_int_equal(outbox_push_large(o, &plain, data, len, &number), 0);
    assert_int_equal(number, o->numbered);
}

static void large_element_departs_with_its_last_piece(void **state)
{
    (void)state;
    struct outbox o = outbox_of_pieces();
    struct wire_section s;
    char out[100];
    push(&o, "a");
    push_large(&o, 'x', 45);
    push(&o, "b"); /* not into the chunk of the large one */
    assert_false(outbox_next_piece(&o, &s));
    outbox_give(&o, outbox_take(&o));
    for (size_t at = 0; at < 45; at += 10) {
        assert_true(outbox_next_piece(&o, &s));
        assert_int_equal(s.flags, WIRE_PIECE);
        assert_int_equal(s.number, 2);
        assert_int_equal(s.bytes, 45);
        assert_int_equal(s.offset, at);
        assert_int_equal(s.size, at < 40 ? 10 : 5);
        assert_int_equal(s.body[s.size - 1], 'x');
        assert_int_equal(outbox_next_size(&o), WIRE_SECTION_HEADER + WIRE_PIECE_HEADER + s.size);
        assert_int_equal(o.departed, 1);
        outbox_piece_left(&o, &s);
    }
    assert_int_equal(o.departed, 2);
    depart(&o, out);
    assert_string_equal(out, "b ");
    assert_int_equal(o.departed, 3);
    outbox_fini(&o);
}

static void large_element_that_is_withdrawn_half_way_leaves_its_number_to_the_next(void **state)
{
    (void)state;
    struct outbox o = outbox_of_pieces();
    struct wire_section s;
    push_large(&o, 'x', 100);
    push_large(&o, 'y', 50);
    assert_true(outbox_next_piece(&o, &s));
    outbox_piece_left(&o, &s);
    assert_int_equal(o.sent, 10);
    assert_true(outbox_withdraw(&o, 1));
    assert_int_equal(o.credit_bytes, 900 - 50);
    assert_int_equal(o.credit_elements, 8);
    assert_true(outbox_next_piece(&o, &s));
    assert_int_equal(s.number, 1);
    assert_int_equal(s.offset, 0);
    assert_int_equal(s.bytes, 50);
    assert_int_equal(s.body[0], 'y');
    outbox_fini(&o);
}

/* To free it may take long, and whoever clears the box has the channel locked. */
static void what_is_cleared_is_its_clearers_to_drop(void **state)
{
    (void)state;
    struct outbox o = outbox_of_pieces();
    push(&o, "small");
    push_large(&o, 'x', 100);
    push(&o, "behind");
    struct chunk *list = outbox_clear(&o);
    assert_int_equal(outbox_next_size(&o), 0);
    assert_false(outbox_fits(&o, 0));
    assert_int_equal(list->first, 1);
    assert_int_equal(list->next->len, 100);
    assert_true(pool.queued > 0);
    chunks_drop(&pool, list);
    assert_int_equal(pool.queued, 0);
    outbox_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_uses_an_element_and_its_bytes),
        cmocka_unit_test(surrender_leaves_nothing),
        cmocka_unit_test(elements_depart_in_order_with_growing_numbers),
        cmocka_unit_test(chunks_stay_below_the_frame_target),
        cmocka_unit_test(a_few_elements_take_little_memory),
        cmocka_unit_test(who_fills_large_chunks_gets_them_at_once),
        cmocka_unit_test(chunks_behind_others_are_kept_for_the_next),
        cmocka_unit_test(no_more_is_kept_than_32_mib),
        cmocka_unit_test(large_element_has_a_chunk_of_its_own),
        cmocka_unit_test(withdrawal_closes_the_gap_and_returns_the_credit),
        cmocka_unit_test(withdrawing_the_only_element_leaves_nothing_to_depart),
        cmocka_unit_test(withdrawal_from_the_middle_renumbers_later_chunks),
        cmocka_unit_test(elements_of_another_manner_have_chunks_of_their_own),
        cmocka_unit_test(departed_element_cannot_be_withdrawn),
        cmocka_unit_test(untaken_chunk_goes_first_again),
        cmocka_unit_test(only_what_departed_can_be_accepted),
        cmocka_unit_test(large_element_departs_with_its_last_piece),
        cmocka_unit_test(large_element_that_is_withdrawn_half_way_leaves_its_number_to_the_next),
        cmocka_unit_test(what_is_cleared_is_its_clearers_to_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
