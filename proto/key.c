/* key.c - see key.h.   SPDX-License-Identifier: MIT */
#include "proto/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Z85: five characters are the digits of four bytes ---- */

static const char digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
#define BASE 85

/* -1: it is none. */
static int digit_of(char c)
{
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

int key_of_text(const char *text, size_t len, struct key *out)
{
    struct key k;

    if (len != KEY_TEXT)
        return -EMSGSIZE;
    for (size_t i = 0; i < KEY_BYTES / 4; i++) {
        uint64_t value = 0;

        for (size_t j = 0; j < 5; j++) {
            int digit = digit_of(text[5 * i + j]);

            if (digit < 0)
                return -EILSEQ;
            value = value * BASE + (uint64_t)digit;
        }
        if (value > UINT32_MAX)
            return -EILSEQ;
        for (size_t j = 0; j < 4; j++)
            k.bytes[4 * i + j] = (uint8_t)(value >> (24 - 8 * j));
    }
    *out = k;
    return 0;
}

void key_text(const struct key *k, char text[KEY_TEXT + 1])
{
    for (size_t i = 0; i < KEY_BYTES / 4; i++) {
        uint32_t value = 0;

        for (size_t j = 0; j < 4; j++)
            value = value << 8 | k->bytes[4 * i + j];
        for (size_t j = 5; j-- > 0; value /= BASE)
            text[5 * i + j] = digits[value % BASE];
    }
    text[KEY_TEXT] = '\0';
}

bool key_equal(const struct key *a, const struct key *b)
{
    return memcmp(a->bytes, b->bytes, KEY_BYTES) == 0;
}

/* ---- lines and words ---- */

struct reader {
    const char *at, *end;        /* what was not read yet */
    size_t line;                 /* the number of the one that was read last */
    const char *rest, *line_end; /* of that: what has not been taken */
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; false: there is none. */
static bool word_next(struct reader *r, const char **word, size_t *len)
{
    while (r->rest < r->line_end && blank(*r->rest))
        r->rest++;
    *word = r->rest;
    while (r->rest < r->line_end && !blank(*r->rest))
        r->rest++;
    *len = (size_t)(r->rest - *word);
    return *len > 0;
}

static bool says_nothing(const struct reader *r)
{
    struct reader look = *r;
    const char *word;
    size_t len;

    return !word_next(&look, &word, &len) || *word == '#';
}

/* The next line that says something. */
static bool line_next(struct reader *r)
{
    while (r->at < r->end) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));

        r->rest = r->at;
        r->line_end = newline != NULL ? newline : r->end;
        r->at = newline != NULL ? newline + 1 : r->end;
        r->line++;
        if (!says_nothing(r))
            return true;
    }
    return false;
}

static bool word_is(const char *word, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(word, text, len) == 0;
}

static int key_of_word(const struct reader *r, const char *word, size_t len, struct key *out,
                       char *why, size_t size)
{
    int rc = key_of_text(word, len, out);

    if (rc == -EMSGSIZE)
        snprintf(why, size, "line %zu: a key has %d characters, not %zu", r->line, KEY_TEXT, len);
    else if (rc < 0)
        snprintf(why, size, "line %zu: that is not a key: some of it is not Z85", r->line);
    return rc < 0 ? -EINVAL : 0;
}

/* ---- a key file ---- */

int key_of_file(const char *text, size_t len, struct key *secret, char *why, size_t size)
{
    struct reader r = { .at = text, .end = text + len };
    const char *word;
    size_t word_len;
    struct key k;

    if (!line_next(&r)) {
        snprintf(why, size, "it has no line \"secret KEY\"");
        return -EINVAL;
    }
    word_next(&r, &word, &word_len);
    if (!word_is(word, word_len, "secret") || !word_next(&r, &word, &word_len)) {
        snprintf(why, size, "line %zu is not \"secret KEY\"", r.line);
        return -EINVAL;
    }
    if (key_of_word(&r, word, word_len, &k, why, size) < 0)
        return -EINVAL;
    if (word_next(&r, &word, &word_len) || line_next(&r)) {
        snprintf(why, size, "line %zu: there is more than one key", r.line);
        return -EINVAL;
    }
    *secret = k;
    return 0;
}

/* ---- a list ---- */

struct key_list {
    size_t n;
    struct key key[]; /* sorted */
};

static int key_order(const void *a, const void *b)
{
    return memcmp(a, b, KEY_BYTES);
}

static size_t lines_of(const char *text, size_t len)
{
    size_t n = 1;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

int key_list_new(const char *text, size_t len, struct key_list **out, char *why, size_t size)
{
    struct reader r = { .at = text, .end = text + len };
    struct key_list *l = malloc(sizeof *l + lines_of(text, len) * sizeof l->key[0]);

    if (l == NULL) {
        snprintf(why, size, "there is no memory for it");
        return -ENOMEM;
    }
    l->n = 0;
    while (line_next(&r)) {
        const char *word;
        size_t word_len;

        word_next(&r, &word, &word_len);
        if (key_of_word(&r, word, word_len, &l->key[l->n++], why, size) < 0) {
            free(l);
            return -EINVAL;
        }
    }
    qsort(l->key, l->n, sizeof l->key[0], key_order);
    *out = l;
    return 0;
}

void key_list_free(struct key_list *l)
{
    free(l);
}

size_t key_list_count(const struct key_list *l)
{
    return l->n;
}

bool key_list_has(const struct key_list *l, const struct key *k)
{
    return bsearch(k, l->key, l->n, sizeof l->key[0], key_order) != NULL;
}
