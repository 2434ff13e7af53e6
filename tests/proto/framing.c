/* framing.c - see framing.h.   SPDX-License-Identifier: MIT */
#include "tests/proto/framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void read_good(struct frame_view *v, const struct frame *f)
{
    const char *why = "";
    int rc = frame_read(v, f->data, f->len, &why);

    if (rc != 0)
        fail_msg("refused: %s", why);
}

const char *read_bad(const uint8_t *data, size_t len)
{
    struct frame_view v = { .seq = 12345 };
    const char *why = NULL;
    uint8_t *copy = malloc(len + (len == 0));
    int rc;

    memcpy(copy, data, len);
    rc = frame_read(&v, copy, len, &why);
    free(copy);
    assert_int_equal(rc, -EPROTO);
    assert_non_null(why);
    assert_int_equal(v.seq, 12345);
    return why;
}

struct wire_section section_of(const size_t *lens, uint32_t n)
{
    struct wire_section s = {
        .bind = 3,
        .count = n,
        .number = 10,
        .position = 20,
        .incarnation = UINT64_C(0xfedcba9876543210),
        .epoch = 4,
        .deliveries = 2,
    };
    size_t size = 0, at = 0;

    for (uint32_t i = 0; i < n; i++)
        size += element_size(lens[i]);
    uint8_t *body = malloc(size);
    for (uint32_t i = 0; i < n; i++) {
        at += element_prefix(body + at, lens[i]);
        memset(body + at, (int)i, lens[i]);
        at += lens[i];
        s.bytes += lens[i];
    }
    assert_int_equal(at, size);
    s.size = (uint32_t)size;
    s.body = body;
    return s;
}

struct frame *frame_with_sections(uint32_t n_sections, uint32_t count, size_t len)
{
    struct frame_writer w = { 0 };
    size_t lens[64];

    for (uint32_t i = 0; i < count; i++)
        lens[i] = len + i;
    for (uint32_t i = 0; i < n_sections; i++) {
        struct wire_section s = section_of(lens, count);
        assert_int_equal(frame_writer_section(&w, &s), 0);
        free((void *)s.body);
    }
    struct frame *f = frame_writer_seal(&w, 42, 1, 0);
    assert_non_null(f);
    return f;
}

size_t sections_at(const struct frame *f)
{
    return 4 + (f->data[0] | (size_t)f->data[1] << 8);
}

struct frame *frame_of_bytes(const void *data, size_t len)
{
    struct frame *f = frame_new(len);

    memcpy(f->data, data, len);
    return f;
}
