/* test_core_browse.c - looking into live channels.   SPDX-License-Identifier: MIT */
#include "tests/core/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wire_channel_info info(struct world *w, const char *name)
{
    struct node *n = w->nodes.at[0];

    say(n, &(struct wire_control){ .what = WIRE_QUERY, .bind = 1, .query_name = name });
    world_pump(w);
    return n->answer->info;
}

static void its_age_is_that_of_the_incarnation(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct handle *out = bind_out(node_new(w, "s"), "x", 10);

    world_pump(w);
    assert_int_equal(info(w, "x").age_ms, 0);
    world_later(w, 1500);
    assert_int_equal(info(w, "x").age_ms, 1500);
    handle_close(out, 0);
    handle_unbind(out);
    world_pump(w);
    bind_out(node_new(w, "t"), "x", 10);
    world_pump(w);
    assert_int_equal(info(w, "x").age_ms, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_age_is_that_of_the_incarnation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
