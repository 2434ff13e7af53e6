/* test_name.c - which names a user may bind.   SPDX-License-Identifier: MIT */
#include "proto/limits.h"
#include "proto/name.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void words_joined_by_dots_are_names(void **state)
{
    static const char *const good[] = {
        "a",       "Z",        "0",      "_",        "-",     "lines",   "orders.eu-west_1.new",
        "a.b.c.d", "dead",     "dead.x", "x.deadly", "actor", "reply.x", "sys.x",
        "a-.-b",   "deadxdead"
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(name_fault(good[i]));
}

static void empty_words_are_refused(void **state)
{
    static const char *const bad[] = { "", ".", "..", ".a", "a.", "a..b", "a...b" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(name_fault(bad[i]));
    assert_string_equal(name_fault(NULL), "is empty");
}

static void every_other_character_is_refused(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char name[] = { 'a', (char)c, 'b', '\0' };
        bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '_' || c == '-' || c == '.';
        assert_int_equal(name_fault(name) == NULL, good);
    }
}

static void a_name_of_250_bytes_is_the_longest(void **state)
{
    char name[WIRE_NAME_GIVEN_MAX + 2];

    (void)state;
    memset(name, 'n', sizeof name);
    name[WIRE_NAME_GIVEN_MAX] = '\0';
    assert_null(name_fault(name));
    name[WIRE_NAME_GIVEN_MAX] = 'n';
    name[WIRE_NAME_GIVEN_MAX + 1] = '\0';
    assert_non_null(strstr(name_fault(name), "longer"));
}

static void reserved_names_are_called_reserved(void **state)
{
    static const char *const bad[] = { "actor:x", "$sys.metrics", "lines.dead", "a.b.dead" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(strstr(name_fault(bad[i]), "reserved"));
}

static void a_reply_channel_has_one_word_and_no_dead_letters(void **state)
{
    char name[WIRE_NAME_GIVEN_MAX + 2];

    (void)state;
    assert_null(name_fault("reply:0123abc_-"));
    assert_true(name_is_reply("reply:x"));
    assert_false(name_is_reply("reply.x"));
    static const char *const bad[] = { "reply:", "reply:a.b", "reply:a:b", "reply: a",
                                       "reply:a.dead" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(name_fault(bad[i]));
        assert_non_null(name_fault_in(bad[i]));
    }
    memset(name, 'n', sizeof name);
    memcpy(name, NAME_REPLY, strlen(NAME_REPLY));
    name[WIRE_NAME_GIVEN_MAX] = '\0';
    assert_null(name_fault(name));
    name[WIRE_NAME_GIVEN_MAX] = 'n';
    name[WIRE_NAME_GIVEN_MAX + 1] = '\0';
    assert_non_null(name_fault(name));
}

static void who_receives_may_name_dead_letters(void **state)
{
    char name[WIRE_NAME_MAX + 2];

    (void)state;
    assert_null(name_fault_in("orders.dead"));
    assert_null(name_fault_in("orders"));
    assert_non_null(name_fault("orders.dead"));
    assert_non_null(name_fault_in("orders.dead.dead"));
    assert_non_null(name_fault_in(".dead"));
    assert_non_null(name_fault_in("$sys.dead"));
    assert_non_null(name_fault_in(NULL));
    assert_true(name_is_dead("orders.dead"));
    assert_false(name_is_dead("dead"));
    assert_false(name_is_dead("orders.deadly"));
    memset(name, 'n', sizeof name);
    strcpy(name + WIRE_NAME_GIVEN_MAX, NAME_DEAD);
    assert_null(name_fault_in(name));
    memset(name, 'n', sizeof name);
    strcpy(name + WIRE_NAME_GIVEN_MAX + 1, NAME_DEAD);
    assert_non_null(name_fault_in(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_joined_by_dots_are_names),
        cmocka_unit_test(empty_words_are_refused),
        cmocka_unit_test(every_other_character_is_refused),
        cmocka_unit_test(a_name_of_250_bytes_is_the_longest),
        cmocka_unit_test(reserved_names_are_called_reserved),
        cmocka_unit_test(a_reply_channel_has_one_word_and_no_dead_letters),
        cmocka_unit_test(who_receives_may_name_dead_letters),
    };

    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
