/* fuzz_section.c - any bytes as the section of a frame, against a second reading of what a section is.
 *   SPDX-License-Identifier: MIT
 *
 * What is taken is what runnel.proto says, no more and no less; it is walked, measured, split and put together again, and
 * written as the same bytes. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/standalone.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Session 1, seq 1, one section. */
static const uint8_t envelope[] = { 13, 0, 0, 0, 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x20, 1 };

static uint64_t number_at(const uint8_t *data, size_t bytes)
{
    uint64_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n |= (uint64_t)data[i] << (8 * i);
    return n;
}

/* ---- a second reading -------------------------------------------------------------------------------------------- */

/* The next element's length, in its shortest form; advances *at behind its prefix.  UINT64_MAX: it is none. */
static uint64_t length_at(const uint8_t *data, size_t size, size_t *at, uint64_t longest)
{
    uint64_t len = 0;

    for (unsigned shift = 0; shift < 63 && *at < size; shift += 7) {
        uint8_t byte = data[(*at)++];
        len |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (byte == 0 && shift > 0) || len > longest ? UINT64_MAX : len;
    }
    return UINT64_MAX;
}

static bool body_is(const uint8_t *data, size_t size, uint64_t count, uint64_t bytes,
                    uint64_t longest)
{
    size_t at = 0;

    for (; count > 0 && at < size; count--) {
        uint64_t len = length_at(data, size, &at, longest);
        if (len > size - at || len > bytes)
            return false;
        at += len;
        bytes -= len;
    }
    return count == 0 && bytes == 0 && at == size;
}

static bool piece_is(const uint8_t *data, size_t size, uint64_t count, uint64_t bytes,
                     uint64_t flags)
{
    uint64_t longest = flags & WIRE_DEAD ? WIRE_ELEMENT_MAX + WIRE_DEAD_MAX : WIRE_ELEMENT_MAX, at;

    if (count != 1 || size <= WIRE_PIECE_HEADER || bytes > longest)
        return false;
    at = number_at(data, WIRE_PIECE_HEADER);
    return at <= bytes && size - WIRE_PIECE_HEADER <= bytes - at;
}

static size_t header_of(uint64_t flags)
{
    return flags & WIRE_TIMED ? WIRE_SECTION_HEADER + WIRE_SECTION_TIMES : WIRE_SECTION_HEADER;
}

static bool reference(const uint8_t *data, size_t size)
{
    if (size < WIRE_SECTION_HEADER)
        return false;
    uint64_t count = number_at(data + 4, 4), number = number_at(data + 8, 8),
             position = number_at(data + 16, 8), flags = number_at(data + 52, 4);
    uint64_t kind = flags & ~(uint64_t)WIRE_HEADED;
    if (!(kind & WIRE_PATIENT))
        kind &= ~(uint64_t)WIRE_PIECE;
    if (kind != 0 && kind != WIRE_OFFER && kind != (WIRE_OFFER | WIRE_PATIENT) &&
        kind != WIRE_DEAD && kind != WIRE_TIMED)
        return false;
    size_t header = header_of(flags);
    if (size < header)
        return false;
    if (count == 0 || (flags & WIRE_OFFER && count != 1))
        return false;
    if (number == 0 || number > UINT64_MAX - count || position > UINT64_MAX - count)
        return false;
    const uint8_t *body = data + header;
    uint64_t bytes = number_at(data + 40, 8);
    size -= header;
    if (number_at(data + 48, 4) != size)
        return false;
    return flags & WIRE_PIECE ? piece_is(body, size, count, bytes, flags)
                              : body_is(body, size, count, bytes, WIRE_WHOLE_MAX);
}

/* ---- what was read ----------------------------------------------------------------------------------------------- */

static void walk(const struct wire_section *s)
{
    uint64_t bytes = 0;
    unsigned sum = 0;
    size_t at = 0, before = 0, len;

    for (uint32_t i = 0; i < s->count; i++) {
        const uint8_t *e = section_element(s, &at, &len);
        must(at - before == element_size(len));
        must(e + len == s->body + at);
        bytes += len;
        sum += len > 0 ? e[0] + (unsigned)e[len - 1] : 0;
        before = at;
    }
    must(sum < UINT32_MAX); /* the bytes are there to be read */
    must(at == s->size);
    must(bytes == s->bytes);
}

/* section_fit() says how many, not one more, not one less. */
static void fit(const struct wire_section *s, uint64_t bytes)
{
    uint32_t n = section_fit(s, bytes);
    uint64_t sum = 0;
    size_t at = 0, len;

    must(n <= s->count);
    for (uint32_t i = 0; i < n; i++) {
        (void)section_element(s, &at, &len);
        sum += len;
    }
    must(sum <= bytes);
    if (n == s->count)
        return;
    (void)section_element(s, &at, &len);
    must(sum + len > bytes);
}

static void split(const struct wire_section *s, uint32_t n)
{
    struct wire_section rest = *s, head;

    section_split(&rest, &head, n);
    must(head.count == n && rest.count == s->count - n);
    must(head.size + rest.size == s->size);
    must(head.bytes + rest.bytes == s->bytes);
    must(head.body == s->body && rest.body == s->body + head.size);
    must(head.number == s->number && rest.number == s->number + n);
    must(head.position == s->position && rest.position == s->position + n);
    must(head.bind == rest.bind && head.incarnation == rest.incarnation);
    must(head.deliveries == rest.deliveries && head.epoch == rest.epoch);
    walk(&head);
    walk(&rest);
}

static void write_again(const struct wire_section *s, const uint8_t *data, size_t size)
{
    struct frame_writer w = { 0 };

    must(frame_writer_section(&w, s) == 0);
    must(frame_writer_size(&w) == size);
    struct frame *f = frame_writer_seal(&w, 1, 1, 0);
    must(f->len == sizeof envelope + size);
    must(memcmp(f->data, envelope, sizeof envelope) == 0);
    must(memcmp(f->data + sizeof envelope, data, size) == 0);
    frame_unref(f);
}

static void check(const struct wire_section *s, const uint8_t *data, size_t size)
{
    if (s->flags & WIRE_PIECE) {
        must(s->count == 1 && s->size > 0);
        must(s->offset + s->size <= s->bytes);
        write_again(s, data, size);
        return;
    }
    walk(s);
    fit(s, s->bytes);
    fit(s, s->bytes / 2);
    fit(s, s->bytes == 0 ? 0 : s->bytes - 1);
    fit(s, 0);
    if (s->count > 1) {
        split(s, 1);
        split(s, s->count / 2);
        split(s, s->count - 1);
    }
    write_again(s, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame = malloc(sizeof envelope + size);
    struct frame_view v;
    const char *why = NULL;
    int rc;

    memcpy(frame, envelope, sizeof envelope);
    memcpy(frame + sizeof envelope, data, size);
    rc = frame_read(&v, frame, sizeof envelope + size, &why);
    must((rc == 0) == reference(data, size));
    if (rc == 0) {
        must(v.n_sections == 1);
        check(&v.sections[0], data, size);
        frame_view_fini(&v);
    } else {
        must(rc == -EPROTO);
        must(why != NULL);
    }
    free(frame);
    return 0;
}

#ifndef FUZZ_STANDALONE
/* ---- mutation that adds up ----------------------------------------------------------------------------------------- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static void put_at(uint8_t *data, size_t bytes, uint64_t n)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(n >> (8 * i));
}

/* Lets the header say what the body is, as far as that is elements; the rest is cut off. */
static size_t add_up(uint8_t *data, size_t size)
{
    const uint32_t kinds[] = { 0,          WIRE_OFFER, WIRE_OFFER | WIRE_PATIENT, WIRE_DEAD,
                               WIRE_TIMED, WIRE_PIECE, WIRE_PIECE | WIRE_OFFER };
    uint32_t flags = kinds[data[52] % 7] | (data[52] & WIRE_HEADED);
    if (size < header_of(flags))
        flags = 0;
    uint8_t *body = data + header_of(flags);
    size_t room = size - header_of(flags);
    uint64_t count = 0, bytes = 0;
    size_t at = 0, end = 0;

    if (flags & WIRE_PIECE && room > WIRE_PIECE_HEADER) {
        put_at(body + 4, 4, 0);
        count = 1;
        end = at = room;
        bytes = number_at(body, WIRE_PIECE_HEADER) + room; /* perhaps too many */
    }
    for (; at < room; end = at, count++) {
        uint64_t len = length_at(body, room, &at, WIRE_WHOLE_MAX);
        if (len > room - at)
            break;
        at += len;
        bytes += len;
    }
    put_at(data + 4, 4, count);
    put_at(data + 40, 8, bytes);
    put_at(data + 48, 4, end);
    put_at(data + 52, 4, flags);
    data[8] |= 1; /* numbers begin with 1 */
    return header_of(flags) + end;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (size < WIRE_SECTION_HEADER && max >= WIRE_SECTION_HEADER) {
        memset(data + size, 0, WIRE_SECTION_HEADER - size);
        size = WIRE_SECTION_HEADER;
    }
    if (size < WIRE_SECTION_HEADER || seed % 8 == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (seed % 8 == 1)
        (void)LLVMFuzzerMutate(data, WIRE_SECTION_HEADER, WIRE_SECTION_HEADER);
    else
        size = WIRE_SECTION_HEADER + LLVMFuzzerMutate(data + WIRE_SECTION_HEADER,
                                                      size - WIRE_SECTION_HEADER,
                                                      max - WIRE_SECTION_HEADER);
    return seed % 4 == 3 ? size : add_up(data, size);
}
#endif
