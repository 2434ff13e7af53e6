/* test_board.c - processes that wait for each other on the board, asleep.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/board.h"
#include "node/ctl/measure/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Tells when it is there, and ends with the stage. */
static int be_there_until_the_end(void *arg)
{
    struct board *b = arg;

    line_set_state(board_other(b, 0), LINE_OPEN);
    board_await(b, BOARD_CONNECTING);
    line_set_state(board_other(b, 0), LINE_BOUND);
    board_await(b, BOARD_ENDING);
    return 0;
}

static void who_waits_for_a_stage_is_woken_by_it(void **state)
{
    struct board *b = board_new(0, 0, 1, 0);
    struct crew c = { .n = 0 };
    int status = -1;
    (void)state;

    assert_non_null(b);
    assert_int_equal(crew_fork(&c, CREW_OTHER, be_there_until_the_end, b), 0);
    line_await(board_other(b, 0), LINE_OPEN);
    board_set_stage(b, BOARD_CONNECTING);
    line_await(board_other(b, 0), LINE_BOUND);
    board_set_stage(b, BOARD_ENDING);
    assert_int_equal(waitpid(c.member[0].pid, &status, 0), c.member[0].pid);
    assert_int_equal(status, 0);
    board_free(b);
}

static void a_stage_that_is_past_is_not_waited_for(void **state)
{
    struct board *b = board_new(0, 0, 1, 0);
    (void)state;

    assert_non_null(b);
    board_set_stage(b, BOARD_COUNTING);
    board_await(b, BOARD_IDLE);
    line_set_state(board_other(b, 0), LINE_BOUND);
    line_await(board_other(b, 0), LINE_OPEN);
    board_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_a_stage_is_woken_by_it),
        cmocka_unit_test(a_stage_that_is_past_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
