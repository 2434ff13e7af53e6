/* test_tally.c - every element that is lost, doubled or out of order is found, and no other.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct board *board;
    struct tally a, b; /* two consumers that share all streams */
};

static void setup(struct fixture *f, uint64_t streams)
{
    f->board = board_new(1, 2, 0, streams);
    assert_non_null(f->board);
    assert_int_equal(tally_init(&f->a, f->board->log, 0, streams), 0);
    assert_int_equal(tally_init(&f->b, f->board->log, 0, streams), 0);
}

static struct tally_verdict judge(struct fixture *f)
{
    tally_fini(&f->a);
    tally_fini(&f->b);
    struct tally_verdict v = tally_judge(f->board->log, f->board->sent, f->board->streams);
    board_free(f->board);
    return v;
}

static void take_range(struct tally *t, uint64_t stream, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        tally_take(t, stream, n);
}

static void is(struct tally_verdict v, uint64_t received, uint64_t lost, uint64_t doubled,
               uint64_t disordered)
{
    assert_true(v.complete);
    assert_int_equal(v.alien, 0);
    assert_int_equal(v.received, received);
    assert_int_equal(v.lost, lost);
    assert_int_equal(v.doubled, doubled);
    assert_int_equal(v.disordered, disordered);
}

static void all_is_well_when_two_consumers_share_a_stream(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 2);
    f.board->sent[0] = 100;
    f.board->sent[1] = 7;
    for (uint64_t n = 0; n < 100; n++)
        tally_take(n % 3 == 0 ? &f.a : &f.b, 0, n);
    take_range(&f.b, 1, 0, 7);
    is(judge(&f), 107, 0, 0, 0);
}

static void nothing_sent_and_nothing_received_is_well(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 3);
    is(judge(&f), 0, 0, 0, 0);
}

static void what_is_missing_is_lost_wherever_it_was(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 2);
    f.board->sent[0] = 10;
    f.board->sent[1] = 4; /* nobody gets any of these */
    take_range(&f.a, 0, 1, 5);
    take_range(&f.b, 0, 6, 9);
    is(judge(&f), 7, 3 + 4, 0, 0);
}

static void what_two_consumers_get_is_doubled(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 1);
    f.board->sent[0] = 10;
    take_range(&f.a, 0, 0, 10);
    take_range(&f.b, 0, 3, 5);
    is(judge(&f), 10, 0, 2, 0);
}

static void what_comes_back_to_the_same_consumer_is_doubled_and_out_of_order(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 1);
    f.board->sent[0] = 10;
    take_range(&f.a, 0, 0, 8);
    take_range(&f.a, 0, 6, 10);
    is(judge(&f), 10, 0, 2, 1);
}

static void two_that_are_exchanged_are_out_of_order_only(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 1);
    f.board->sent[0] = 4;
    tally_take(&f.a, 0, 0);
    tally_take(&f.a, 0, 2);
    tally_take(&f.a, 0, 1);
    tally_take(&f.a, 0, 3);
    is(judge(&f), 4, 0, 0, 1);
}

static void what_was_never_sent_is_noticed(void **state)
{
    struct fixture f;
    (void)state;

    setup(&f, 1);
    f.board->sent[0] = 2;
    take_range(&f.a, 0, 0, 3);
    tally_take(&f.b, 9, 0); /* of a stream that there is not */
    struct tally_verdict v = judge(&f);
    assert_int_equal(v.alien, 2);
    assert_int_equal(v.lost, 0);
}

/* Against a plain count per number, with elements dropped, doubled and dealt at random. */
static void any_mixture_is_judged_as_by_counting(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        enum { STREAMS = 3, SENT = 40 };
        unsigned count[STREAMS][SENT] = { { 0 } };
        uint64_t lost = 0, doubled = 0, received = 0;
        struct fixture f;

        srand(seed);
        setup(&f, STREAMS);
        for (int s = 0; s < STREAMS; s++) {
            f.board->sent[s] = SENT;
            for (int i = 0; i < SENT + 5; i++) {
                int n = rand() % 4 != 0 && i < SENT ? i : rand() % SENT;
                tally_take(rand() % 3 != 0 ? &f.a : &f.b, (uint64_t)s, (uint64_t)n);
                count[s][n]++;
            }
            for (int n = 0; n < SENT; n++) {
                received += count[s][n] > 0;
                lost += count[s][n] == 0;
                doubled += count[s][n] > 1 ? count[s][n] - 1 : 0;
            }
        }
        struct tally_verdict v = judge(&f);
        if (v.received != received || v.lost != lost || v.doubled != doubled)
            print_error("seed %u\n", seed);
        assert_int_equal(v.received, received);
        assert_int_equal(v.lost, lost);
        assert_int_equal(v.doubled, doubled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well_when_two_consumers_share_a_stream),
        cmocka_unit_test(nothing_sent_and_nothing_received_is_well),
        cmocka_unit_test(what_is_missing_is_lost_wherever_it_was),
        cmocka_unit_test(what_two_consumers_get_is_doubled),
        cmocka_unit_test(what_comes_back_to_the_same_consumer_is_doubled_and_out_of_order),
        cmocka_unit_test(two_that_are_exchanged_are_out_of_order_only),
        cmocka_unit_test(what_was_never_sent_is_noticed),
        cmocka_unit_test(any_mixture_is_judged_as_by_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
