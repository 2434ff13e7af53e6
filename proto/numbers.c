/* numbers.c - controls that are a few numbers, by hand.   SPDX-License-Identifier: MIT
 *
 * Where there are thousands of channels each of them is asked, credited and acknowledged by itself, an element or a few at a time.
 * protobuf-c looks at each field that a Control may have to write one, and does so twice; to read one it takes memory for two
 * messages.  Here are the same bytes.  What is unusual in them, and still right, is left to it.
 *
 * Invariant of the table: the fields of each control are numbered from 1 on without a gap, so each tag is one byte; and all of it,
 * however large the numbers are, is shorter than 128 bytes, so each length is. */
#include "proto/codec.h"
#include "runtime/assert.h"

#include <errno.h>
#include <string.h>

#define FIELDS_MAX 7
#define HEAD_MAX \
    5 /* bytes before the fields: two tags, of which one may be of two bytes, and two lengths */

enum type { U32, U64, S64, BOOL };

struct number {
    uint8_t type;
    uint8_t at; /* in struct wire_control */
};

struct numbers {
    uint8_t n;
    struct number field[FIELDS_MAX]; /* the first is number 1 */
};

_Static_assert(sizeof(struct wire_control) <= UINT8_MAX, "places are said in a byte");
_Static_assert(HEAD_MAX + FIELDS_MAX * (1 + VARINT_MAX) < 128, "lengths are said in a byte");

#define NUMBER(type, member)                        \
    {                                               \
        type, offsetof(struct wire_control, member) \
    }
#define OF_BIND NUMBER(U32, bind)

static const struct numbers kinds[] = {
    [WIRE_ASK] = { 7,
                   { OF_BIND, NUMBER(U32, ask.waiting), NUMBER(U64, ask.first_bytes),
                     NUMBER(U64, ask.bytes), NUMBER(BOOL, ask.weak), NUMBER(S64, ask.adjusted),
                     NUMBER(U64, ask.sole) } },
    [WIRE_CREDIT] = { 4,
                      { OF_BIND, NUMBER(U32, credit.elements), NUMBER(U64, credit.bytes),
                        NUMBER(U64, credit.but) } },
    [WIRE_RETURNED] = { 4,
                        { OF_BIND, NUMBER(U32, credit.elements), NUMBER(U64, credit.bytes),
                          NUMBER(U64, credit.first) } },
    [WIRE_ACCEPTED] = { 2, { OF_BIND, NUMBER(U64, number) } },
    [WIRE_TAKEN] = { 2, { OF_BIND, NUMBER(U64, number) } },
    [WIRE_COUNTS] = { 5,
                      { OF_BIND, NUMBER(U64, counts.sent), NUMBER(U64, counts.confirmed),
                        NUMBER(U64, counts.queued), NUMBER(U64, counts.unknown) } },
    [WIRE_CLAIMED] = { 2, { OF_BIND, NUMBER(U64, meet.claim) } },
    [WIRE_REFUSE] = { 2, { OF_BIND, NUMBER(U64, meet.claim) } },
    [WIRE_COMMIT] = { 3, { OF_BIND, NUMBER(U64, meet.number), NUMBER(U64, meet.claim) } },
    [WIRE_ABORT] = { 4,
                     { OF_BIND, NUMBER(U64, meet.number), NUMBER(U64, meet.claim),
                       NUMBER(BOOL, meet.asks) } },
    [WIRE_WITHDRAW] = { 2, { OF_BIND, NUMBER(U64, number) } },
};

static const struct numbers *kind_of(uint64_t what)
{
    return what < sizeof kinds / sizeof *kinds && kinds[what].n > 0 ? &kinds[what] : NULL;
}

/* ---- writing ---- */

static uint64_t number_get(const struct wire_control *c, const struct number *f)
{
    const uint8_t *at = (const uint8_t *)c + f->at;
    uint64_t wide;
    uint32_t narrow;

    switch ((enum type)f->type) {
    case U32:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    case BOOL:
        return *(const bool *)at;
    case U64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case S64:
        break;
    }
    memcpy(&wide, at, sizeof wide);
    return wide << 1 ^ -(wide >> 63);
}

int numbers_append(struct control_buffer *b, const struct wire_control *c)
{
    const struct numbers *kind = kind_of(c->what);
    uint8_t *at, *to, *fields;

    if (kind == NULL)
        return -EINVAL;
    at = control_reserve(b, HEAD_MAX + FIELDS_MAX * (1 + VARINT_MAX));
    if (at == NULL)
        return -ENOMEM;
    at[0] = CONTROL_TAG;
    fields = to = at + 2 + varint_put(at + 2, (uint64_t)c->what << 3 | 2) + 1;
    for (unsigned i = 0; i < kind->n; i++) {
        uint64_t v = number_get(c, &kind->field[i]);
        if (v == 0)
            continue;
        *to++ = (uint8_t)((i + 1) << 3);
        to += varint_put(to, v);
    }
    fields[-1] = (uint8_t)(to - fields);
    at[1] = (uint8_t)(to - at - 2);
    b->len += (size_t)(to - at);
    b->count++;
    return 0;
}

/* ---- reading ---- */

static void number_set(struct wire_control *c, const struct number *f, uint64_t v)
{
    uint8_t *at = (uint8_t *)c + f->at;
    uint32_t narrow = (uint32_t)v; /* as protobuf has it */

    switch ((enum type)f->type) {
    case U32:
        memcpy(at, &narrow, sizeof narrow);
        return;
    case BOOL:
        *(bool *)at = v != 0;
        return;
    case S64:
        v = v >> 1 ^ -(v & 1);
        break;
    case U64:
        break;
    }
    memcpy(at, &v, sizeof v);
}

/* Of more than 64 bits the rest is dropped from a number, but not from a bool; so let protobuf-c have it. */
static bool value_read(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    const uint8_t *from = *at;

    return varint_read(at, end, v) && (*at - from < VARINT_MAX || (*at)[-1] <= 1);
}

bool numbers_read(struct wire_control *c, const uint8_t *data, size_t len)
{
    const uint8_t *at = data, *end = data + len;
    const struct numbers *kind;
    uint64_t key, v;

    if (!length_read(&at, end, &key) || (key & 7) != 2 || (kind = kind_of(key >> 3)) == NULL)
        return false;
    if (!length_read(&at, end, &v) || v != (uint64_t)(end - at))
        return false;
    memset(c, 0, sizeof *c);
    c->what = (enum wire_what)(key >> 3);
    while (at < end) {
        unsigned tag = *at++;
        if ((tag & 7) != 0 || (tag >> 3) - 1 >= kind->n || !value_read(&at, end, &v))
            return false;
        number_set(c, &kind->field[(tag >> 3) - 1], v);
    }
    return true;
}
