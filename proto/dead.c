/* dead.c - dead letters.   SPDX-License-Identifier: MIT
 *
 * The header is read and written without protobuf-c's memory, because it is small and the core has nobody to tell that
 * there was none: a few lines of the wire format suffice. */
#include "proto/dead.h"

#include "proto/codec.h"
#include "runtime/assert.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

_Static_assert(WIRE_CAUSE_LAST == (int)RUNNEL__CAUSE__REFUSED_BY_CODEC, "as runnel.proto has it");

static Runnel__DeadLetter message_of(const struct wire_dead *d)
{
    Runnel__DeadLetter m = RUNNEL__DEAD_LETTER__INIT;

    m.cause = (Runnel__Cause)d->cause;
    m.why = (char *)d->why;
    m.channel = (char *)d->channel;
    m.position = d->position;
    m.deliveries = d->deliveries;
    m.died_ms = (uint64_t)d->died_ms;
    return m;
}

size_t dead_size(const struct wire_dead *d, size_t len)
{
    Runnel__DeadLetter m = message_of(d);

    return element_size(runnel__dead_letter__get_packed_size(&m)) + len;
}

void dead_write(uint8_t *to, const struct wire_dead *d, const uint8_t *element, size_t len)
{
    Runnel__DeadLetter m = message_of(d);

    to += element_prefix(to, runnel__dead_letter__get_packed_size(&m));
    to += runnel__dead_letter__pack(&m, to);
    memcpy(to, element, len);
}

/* ---- reading ---- */

struct bytes {
    const uint8_t *at;
    size_t left;
};

static bool take_varint(struct bytes *b, uint64_t *v)
{
    *v = 0;
    for (unsigned i = 0; i < 10 && b->left > 0; i++) {
        uint8_t byte = *b->at++;
        b->left--;
        *v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool take_bytes(struct bytes *b, size_t n, struct bytes *taken)
{
    if (n > b->left)
        return false;
    *taken = (struct bytes){ b->at, n };
    b->at += n;
    b->left -= n;
    return true;
}

/* A value of any wire type that a reader may meet: a number, or bytes. */
static bool take_value(struct bytes *b, unsigned type, uint64_t *number, struct bytes *text)
{
    switch (type) {
    case 0:
        return take_varint(b, number);
    case 1:
        if (!take_bytes(b, 8, text))
            return false;
        memcpy(number, text->at, 8);
        *number = le64toh(*number);
        return true;
    case 2:
        return take_varint(b, number) && *number <= b->left && take_bytes(b, (size_t)*number, text);
    case 5:
        return take_bytes(b, 4, text);
    default:
        return false;
    }
}

static bool keep_text(char *to, size_t max, struct bytes text)
{
    if (text.left > max || memchr(text.at, '\0', text.left) != NULL)
        return false;
    memcpy(to, text.at, text.left);
    to[text.left] = '\0';
    return true;
}

static bool read_field(struct wire_dead *d, unsigned field, unsigned type, uint64_t number,
                       struct bytes text)
{
    switch (field << 3 | type) {
    case 1 << 3 | 0:
        d->cause = (enum wire_cause)number;
        return number <= WIRE_CAUSE_LAST;
    case 2 << 3 | 2:
        return keep_text(d->why, WIRE_WHY_MAX, text);
    case 3 << 3 | 2:
        return keep_text(d->channel, WIRE_NAME_MAX, text);
    case 4 << 3 | 0:
        d->position = number;
        return true;
    case 5 << 3 | 0:
        d->deliveries = (uint32_t)number;
        return true;
    case 6 << 3 | 1:
        d->died_ms = (int64_t)number;
        return true;
    default:
        return field > 6; /* of a later version */
    }
}

int dead_read(struct wire_dead *d, const uint8_t *letter, size_t size, const uint8_t **element,
              size_t *len)
{
    struct bytes all = { letter, size }, head, text = { NULL, 0 };
    struct wire_dead read = { 0 };
    uint64_t head_len, key, number = 0;

    if (!take_varint(&all, &head_len) || head_len > WIRE_DEAD_MAX ||
        !take_bytes(&all, (size_t)head_len, &head))
        return -EPROTO;
    while (head.left > 0) {
        if (!take_varint(&head, &key) || !take_value(&head, key & 7, &number, &text))
            return -EPROTO;
        if (key >> 3 == 0 || key >> 3 > 1000 ||
            !read_field(&read, (unsigned)(key >> 3), key & 7, number, text))
            return -EPROTO;
    }
    if (d != NULL)
        *d = read;
    *element = all.at;
    *len = all.left;
    return 0;
}
