/* section.c - sections: a fixed header and the encoded elements of one channel.   SPDX-License-Identifier: MIT
 *
 * Invariant of every struct wire_section outside section_read(): its body is exactly `count` elements, whose
 * lengths add up to `bytes`; or, of a piece, a part of one element that is not empty.  So the functions below need no
 * bounds of their own. */
#include "proto/codec.h"
#include "proto/limits.h"
#include "runtime/assert.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define PREFIX_MAX 5 /* bytes of a varint that says a length */

static uint32_t le32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

/* Reads a length of more than one byte.  Gives the bytes read, or 0 when it is cut off, not the shortest form,
 * or more than an element may have. */
static size_t prefix_read_long(const uint8_t *p, size_t avail, size_t *len)
{
    uint64_t v = 0;

    for (size_t i = 0; i < PREFIX_MAX && i < avail; i++) {
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            if (p[i] == 0 || v > WIRE_LENGTH_MAX)
                return 0;
            *len = (size_t)v;
            return i + 1;
        }
    }
    return 0;
}

/* The same for any length, the common ones without a call. */
static inline size_t prefix_read(const uint8_t *p, size_t avail, size_t *len)
{
    if (p[0] < 0x80) {
        *len = p[0];
        return 1;
    }
    if (avail >= 2 && p[1] < 0x80 && p[1] != 0) {
        *len = (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7;
        return 2;
    }
    return prefix_read_long(p, avail, len);
}

/* The prefix of the last element, when it is short, as 16 bits under a mask. */
struct last_prefix {
    uint16_t bits, mask;
    size_t len, step; /* of its element, without and with the prefix */
};

static uint16_t load16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static void last_prefix_set(struct last_prefix *last, const uint8_t *p, size_t n, size_t len)
{
    static const uint8_t masks[][2] = { { 0xff, 0 }, { 0xff, 0xff } };

    if (n > sizeof masks[0])
        return; /* what was remembered stays right */
    last->mask = load16(masks[n - 1]);
    last->bits = load16(p) & last->mask;
    last->len = len;
    last->step = n + len;
}

/* One pass over bytes from the network: is the body exactly `count` elements of `bytes` bytes together?
 *
 * Elements of one length come in runs.  While a prefix has the bits of the last one the way to the next does not depend
 * on what was loaded, so that the loads, each a cache miss, overlap: four times as fast on a broker, which touches
 * nothing else of the body. */
static bool elements_add_up(const struct wire_section *s)
{
    struct last_prefix last = { .bits = 1 }; /* under an empty mask: equal to nothing */
    const uint8_t *body = s->body;
    size_t at = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        size_t left = s->size - at, len, n;

        if (left >= 2 && (load16(body + at) & last.mask) == last.bits && last.step <= left) {
            at += last.step;
            bytes += last.len;
            continue;
        }
        if (left == 0)
            return false;
        n = prefix_read(body + at, left, &len);
        if (n == 0 || len > left - n || len > WIRE_WHOLE_MAX)
            return false;
        if (left >= 2)
            last_prefix_set(&last, body + at, n, len);
        at += n + len;
        bytes += len;
    }
    return at == s->size && bytes == s->bytes;
}

/* Makes *s a piece, of a section that has been read but for what its body is. */
static const char *piece_fault(struct wire_section *s)
{
    uint64_t longest = s->flags & WIRE_DEAD ? WIRE_LENGTH_MAX : WIRE_ELEMENT_MAX;

    if (s->count != 1)
        return "a piece is not of one element";
    if (s->bytes > longest)
        return "a piece is of an element that is longer than any may be";
    if (s->size <= WIRE_PIECE_HEADER)
        return "a piece is empty";
    s->offset = le64(s->body);
    s->size -= WIRE_PIECE_HEADER;
    s->body += WIRE_PIECE_HEADER;
    if (s->offset > s->bytes || s->size > s->bytes - s->offset)
        return "a piece goes beyond its element";
    return NULL;
}

static bool flags_valid(uint32_t flags)
{
    flags &= ~WIRE_MANNER;
    if (!(flags & WIRE_PATIENT)) /* what the home may keep is no large one */
        flags &= ~WIRE_PIECE;
    return flags == 0 || flags == WIRE_OFFER || flags == (WIRE_OFFER | WIRE_PATIENT) ||
           flags == WIRE_DEAD || flags == WIRE_TIMED;
}

size_t section_header_size(const struct wire_section *s)
{
    return WIRE_SECTION_HEADER + (s->flags & WIRE_TIMED ? WIRE_SECTION_TIMES : 0) +
           (s->flags & WIRE_PIECE ? WIRE_PIECE_HEADER : 0);
}

/* What only some sections have.  false: it is cut off. */
static bool times_read(struct wire_section *s, const uint8_t *data, size_t len)
{
    if (!(s->flags & WIRE_TIMED))
        return true;
    if (len < WIRE_SECTION_HEADER + WIRE_SECTION_TIMES)
        return false;
    s->delay_ms = le64(data + WIRE_SECTION_HEADER);
    s->ttl_ms = le64(data + WIRE_SECTION_HEADER + 8);
    s->body += WIRE_SECTION_TIMES;
    return true;
}

int section_read(struct wire_section *s, const uint8_t *data, size_t len, const char **why)
{
    if (len < WIRE_SECTION_HEADER) {
        *why = "a section's header is cut off";
        return -EPROTO;
    }
    *s = (struct wire_section){
        .bind = le32(data),
        .count = le32(data + 4),
        .number = le64(data + 8),
        .position = le64(data + 16),
        .incarnation = le64(data + 24),
        .epoch = le32(data + 32),
        .deliveries = le32(data + 36),
        .bytes = le64(data + 40),
        .size = le32(data + 48),
        .flags = le32(data + 52),
        .body = data + WIRE_SECTION_HEADER,
    };
    if (!flags_valid(s->flags))
        *why = "a section has flags that are not defined, or not together";
    else if (!times_read(s, data, len))
        *why = "a section's header is cut off";
    else if (s->size > len - (size_t)(s->body - data))
        *why = "a section is longer than its frame";
    else if (s->count == 0)
        *why = "a section has no elements";
    else if (s->count > 1 && s->flags & WIRE_OFFER)
        *why = "an offer is more than one element";
    else if (s->number == 0 || s->number > UINT64_MAX - s->count ||
             s->position > UINT64_MAX - s->count)
        *why = "a section's numbers are out of range";
    else if (s->flags & WIRE_PIECE)
        return (*why = piece_fault(s)) == NULL ? 0 : -EPROTO;
    else if (s->count > s->size || s->bytes > s->size - s->count)
        *why = "a section promises more than it has room for";
    else if (!elements_add_up(s))
        *why = "the lengths of a section's elements do not add up";
    else
        return 0;
    return -EPROTO;
}

void section_write_header(uint8_t *to, const struct wire_section *s)
{
    bool piece = s->flags & WIRE_PIECE;

    put32(to, s->bind);
    put32(to + 4, s->count);
    put64(to + 8, s->number);
    put64(to + 16, s->position);
    put64(to + 24, s->incarnation);
    put32(to + 32, s->epoch);
    put32(to + 36, s->deliveries);
    put64(to + 40, s->bytes);
    put32(to + 48, s->size + (piece ? WIRE_PIECE_HEADER : 0));
    put32(to + 52, s->flags);
    size_t at = WIRE_SECTION_HEADER;

    if (s->flags & WIRE_TIMED) {
        put64(to + at, s->delay_ms);
        put64(to + at + 8, s->ttl_ms);
        at += WIRE_SECTION_TIMES;
    }
    if (piece)
        put64(to + at, s->offset);
}

const uint8_t *section_element_long(const struct wire_section *s, size_t *at, size_t *len)
{
    rn_assert(*at < s->size);
    *at += prefix_read(s->body + *at, s->size - *at, len);
    const uint8_t *element = s->body + *at;
    *at += *len;
    return element;
}

void section_split(struct wire_section *s, struct wire_section *head, uint32_t n)
{
    size_t at = 0;
    uint64_t bytes = 0;

    rn_assert(n > 0);
    rn_assert(n < s->count);
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        section_element(s, &at, &len);
        bytes += len;
    }
    *head = *s;
    head->count = n;
    head->bytes = bytes;
    head->size = (uint32_t)at;
    s->count -= n;
    s->bytes -= bytes;
    s->size -= (uint32_t)at;
    s->body += at;
    s->number += n;
    s->position += n;
}

uint32_t section_fit(const struct wire_section *s, uint64_t bytes)
{
    size_t at = 0;
    uint32_t n = 0;

    if (bytes >= s->bytes)
        return s->count;
    while (n < s->count) {
        size_t len;
        section_element(s, &at, &len);
        if (len > bytes)
            break;
        bytes -= len;
        n++;
    }
    return n;
}
