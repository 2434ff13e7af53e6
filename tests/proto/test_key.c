/* test_key.c - keys as text, key files and lists of keys.   SPDX-License-Identifier: MIT */
#include "proto/key.h"
#include "proto/link/keyfile.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The key that ZeroMQ's own documents have for an example. */
#define TEXT "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
static const struct key example = { { 0x8e, 0x0b, 0xdd, 0x69, 0x76, 0x28, 0xb9, 0x1d,
                                      0x8f, 0x24, 0x55, 0x87, 0xee, 0x95, 0xc5, 0xb0,
                                      0x4d, 0x48, 0x96, 0x3f, 0x79, 0x25, 0x98, 0x77,
                                      0xb4, 0x9c, 0xd9, 0x06, 0x3a, 0xea, 0xd3, 0xb7 } };
#define OTHER_TEXT "0####0####0####0####0####0####0####0###$"

/* ---- text ---- */

static void example_of_zeromq_is_read_and_written(void **state)
{
    char text[KEY_TEXT + 1];
    struct key k;

    (void)state;
    assert_int_equal(key_of_text(TEXT, KEY_TEXT, &k), 0);
    assert_memory_equal(k.bytes, example.bytes, KEY_BYTES);
    key_text(&k, text);
    assert_string_equal(text, TEXT);
}

static void every_key_comes_back_from_its_text(void **state)
{
    char text[KEY_TEXT + 1];
    struct key k, back;

    (void)state;
    for (random_begin(20000); random_more();) {
        for (size_t j = 0; j < KEY_BYTES; j++)
            k.bytes[j] = random_chance(10) ? 0xff : (uint8_t)random_next();
        key_text(&k, text);
        assert_int_equal(strlen(text), KEY_TEXT);
        assert_true(text[0] != '#'); /* that would begin a comment */
        assert_int_equal(key_of_text(text, KEY_TEXT, &back), 0);
        assert_true(key_equal(&k, &back));
    }
}

static void what_is_no_key_is_refused(void **state)
{
    struct key k = example;
    char text[KEY_TEXT + 2] = TEXT;

    (void)state;
    assert_int_equal(key_of_text(TEXT, KEY_TEXT - 1, &k), -EMSGSIZE);
    assert_int_equal(key_of_text(TEXT "0", KEY_TEXT + 1, &k), -EMSGSIZE);
    assert_int_equal(key_of_text("", 0, &k), -EMSGSIZE);
    for (int c = 0; c < 256; c++) {
        text[17] = (char)c;
        bool digit = c != 0 &&
                     strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            ".-:+=^!/*?&<>()[]{}@%$#",
                            c) != NULL;
        assert_int_equal(key_of_text(text, KEY_TEXT, &k), digit ? 0 : -EILSEQ);
    }
    /* Five digits say more than four bytes can. */
    assert_int_equal(key_of_text("%nSc10000000000000000000000000000000000", 39, &k), -EMSGSIZE);
    assert_int_equal(key_of_text("%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0", KEY_TEXT, &k), 0);
    assert_int_equal(key_of_text("%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc1", KEY_TEXT, &k),
                     -EILSEQ);
    assert_int_equal(key_of_text("########################################", KEY_TEXT, &k),
                     -EILSEQ);
}

/* ---- key files ---- */

static int file_of(const char *text, struct key *k, char why[KEYFILE_WHY])
{
    why[0] = '\0';
    return key_of_file(text, strlen(text), k, why, KEYFILE_WHY);
}

static void key_file_has_one_secret_among_comments(void **state)
{
    static const char *const good[] = {
        "secret " TEXT "\n",
        "secret " TEXT,
        "# a comment\n#\n\n \t \n  #x\n  secret\t" TEXT "  \n# " TEXT "\n",
        "# as another system ends lines\r\nsecret " TEXT "\r\n\r\n",
    };
    char why[KEYFILE_WHY];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct key k = { 0 };
        assert_int_equal(file_of(good[i], &k, why), 0);
        assert_true(key_equal(&k, &example));
    }
}

static void bad_key_file_is_refused_by_line_and_without_its_secret(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "", "no line \"secret KEY\"" },
        { "# nothing\n\n", "no line \"secret KEY\"" },
        { TEXT "\n", "line 1 is not \"secret KEY\"" },
        { "# x\n\nsecret\n", "line 3 is not" },
        { "secret key " TEXT "\n", "line 1: a key has 40 characters, not 3" },
        { "\nsecret " TEXT "x\n", "line 2: a key has 40 characters, not 41" },
        { "secret ~TKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n", "line 1: that is not a key" },
        { "secret " TEXT " " TEXT "\n", "line 1: there is more than one key" },
        { "secret " TEXT "\n\nsecret " TEXT "\n", "line 3: there is more than one key" },
        { "public " TEXT "\n", "line 1 is not" },
        { "#secret " TEXT "\n", "no line \"secret KEY\"" },
    };
    char why[KEYFILE_WHY];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct key k = { { 7 } }, before = k;
        assert_int_equal(file_of(bad[i].text, &k, why), -EINVAL);
        assert_true(key_equal(&k, &before));
        if (strstr(why, bad[i].why) == NULL)
            fail_msg("says \"%s\", not \"%s\"", why, bad[i].why);
        assert_null(strstr(why, "TKVSB"));
    }
}

/* ---- lists ---- */

static void list_has_its_keys_and_no_others(void **state)
{
    static const char text[] = "# who may connect\n" TEXT
                               "\ta node, in any words # 1\n\n" OTHER_TEXT "\n" TEXT;
    char why[KEYFILE_WHY] = "";
    struct key_list *l = NULL;
    struct key k;

    (void)state;
    assert_int_equal(key_list_new(text, strlen(text), &l, why, sizeof why), 0);
    assert_int_equal(key_list_count(l), 3);
    assert_true(key_list_has(l, &example));
    assert_int_equal(key_of_text(OTHER_TEXT, KEY_TEXT, &k), 0);
    assert_true(key_list_has(l, &k));
    k.bytes[31] ^= 1;
    assert_false(key_list_has(l, &k));
    key_list_free(l);
}

static void empty_list_has_nobody(void **state)
{
    char why[KEYFILE_WHY] = "";
    struct key_list *l = NULL;

    (void)state;
    assert_int_equal(key_list_new("", 0, &l, why, sizeof why), 0);
    assert_int_equal(key_list_count(l), 0);
    assert_false(key_list_has(l, &example));
    key_list_free(l);
}

static void list_with_a_bad_line_is_refused_by_its_number(void **state)
{
    static const char text[] = TEXT "\n\n# a\nthis is no key\n";
    char why[KEYFILE_WHY] = "";
    struct key_list *l = NULL;

    (void)state;
    assert_int_equal(key_list_new(text, strlen(text), &l, why, sizeof why), -EINVAL);
    assert_null(l);
    assert_non_null(strstr(why, "line 4: a key has 40 characters, not 4"));
}

static void every_text_is_a_list_or_refused(void **state)
{
    static const char pieces[] = "# \n\t" TEXT "\r" OTHER_TEXT;
    char text[300], why[KEYFILE_WHY];

    (void)state;
    for (random_begin(20000); random_more();) {
        size_t len = 0;
        while (len + KEY_TEXT < sizeof text && !random_chance(12)) {
            size_t from = random_below(sizeof pieces - 1);
            size_t n = 1 + random_below(KEY_TEXT);
            n = n < sizeof pieces - from ? n
                                         : sizeof pieces - from; /* with the zero, now and then */
            memcpy(text + len, pieces + from, n);
            len += n;
        }
        struct key_list *l = NULL;
        struct key k;
        int rc = key_list_new(text, len, &l, why, sizeof why);
        assert_true(rc == 0 || rc == -EINVAL);
        key_list_free(l);
        rc = key_of_file(text, len, &k, why, sizeof why);
        assert_true(rc == 0 || rc == -EINVAL);
    }
}

/* ---- files ---- */

static char folder[64], path[80], beside[90];

static int folder_make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/runnel-key.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/a.key", folder);
    snprintf(beside, sizeof beside, "%s.pub", path);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    unlink(path);
    unlink(beside);
    return rmdir(folder);
}

static void put(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(name, mode), 0);
}

static void file_that_was_written_is_read_again(void **state)
{
    static const struct key public = { { 1, 2, 3 } };
    char why[KEYFILE_WHY] = "";
    struct key_list *l = NULL;
    struct key k;
    struct stat st;

    (void)state;
    assert_int_equal(keyfile_write(path, &public, &example, why, sizeof why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(keyfile_read(path, &k, why, sizeof why), 0);
    assert_true(key_equal(&k, &example));
    assert_int_equal(keyfile_read_list(beside, &l, why, sizeof why), 0);
    assert_int_equal(key_list_count(l), 1);
    assert_true(key_list_has(l, &public));
    key_list_free(l);
}

static void files_that_are_there_are_not_overwritten(void **state)
{
    char why[KEYFILE_WHY] = "";

    (void)state;
    put(path, "precious", 0600);
    assert_int_equal(keyfile_write(path, &example, &example, why, sizeof why), -EEXIST);
    assert_non_null(strstr(why, path));
    assert_int_equal(access(beside, F_OK), -1);
    unlink(path);
    put(beside, "precious", 0644);
    assert_int_equal(keyfile_write(path, &example, &example, why, sizeof why), -EEXIST);
    assert_non_null(strstr(why, beside));
    assert_int_equal(access(path, F_OK), -1);
}

static void key_that_others_may_read_is_refused(void **state)
{
    static const mode_t modes[] = { 0640, 0604, 0620, 0644, 0610 };
    char why[KEYFILE_WHY] = "";
    struct key k;

    (void)state;
    put(path, "secret " TEXT "\n", 0600);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(keyfile_read(path, &k, why, sizeof why), -EINVAL);
        assert_non_null(strstr(why, path));
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(keyfile_read(path, &k, why, sizeof why), 0);
}

static void file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
    char why[KEYFILE_WHY] = "";
    struct key_list *l;
    struct key k;

    (void)state;
    assert_int_equal(keyfile_read(path, &k, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "No such file"));
    assert_int_equal(keyfile_read_list(folder, &l, why, sizeof why), -EISDIR);
    assert_non_null(strstr(why, "directory"));
    put(path, "secret no\n", 0600);
    assert_int_equal(keyfile_read(path, &k, why, sizeof why), -EINVAL);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "line 1"));
    assert_int_equal(truncate(path, 10 << 20), 0);
    assert_int_equal(keyfile_read(path, &k, why, sizeof why), -EFBIG);
}

#define IN_FOLDER(fact) cmocka_unit_test_setup_teardown(fact, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_zeromq_is_read_and_written),
        cmocka_unit_test(every_key_comes_back_from_its_text),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(key_file_has_one_secret_among_comments),
        cmocka_unit_test(bad_key_file_is_refused_by_line_and_without_its_secret),
        cmocka_unit_test(list_has_its_keys_and_no_others),
        cmocka_unit_test(empty_list_has_nobody),
        cmocka_unit_test(list_with_a_bad_line_is_refused_by_its_number),
        cmocka_unit_test(every_text_is_a_list_or_refused),
        IN_FOLDER(file_that_was_written_is_read_again),
        IN_FOLDER(files_that_are_there_are_not_overwritten),
        IN_FOLDER(key_that_others_may_read_is_refused),
        IN_FOLDER(file_that_cannot_be_read_is_named_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
