/* dead.c - dead letters.   SPDX-License-Identifier: MIT
 *
 * The header is read without protobuf-c's memory, see fields.h: the core has nobody to tell that there was none. */
#include "proto/dead.h"

#include "proto/codec.h"
#include "proto/fields.h"
#include "runtime/assert.h"

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

static bool read_field(void *to, unsigned field, unsigned type, uint64_t number, struct bytes text)
{
    struct wire_dead *d = to;

    switch (field << 3 | type) {
    case 1 << 3 | 0:
        d->cause = (enum wire_cause)number;
        return number <= WIRE_CAUSE_LAST;
    case 2 << 3 | 2:
        return fields_text(d->why, WIRE_WHY_MAX, text);
    case 3 << 3 | 2:
        return fields_text(d->channel, WIRE_NAME_MAX, text);
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
    struct wire_dead read = { 0 };

    if (fields_head(letter, size, WIRE_DEAD_MAX, read_field, &read, element, len) < 0)
        return -EPROTO;
    if (d != NULL)
        *d = read;
    return 0;
}
