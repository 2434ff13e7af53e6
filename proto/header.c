/* header.c - what an element may carry beside its bytes.   SPDX-License-Identifier: MIT */
#include "proto/header.h"

#include "proto/codec.h"
#include "proto/fields.h"
#include "proto/frame.h"

#include <errno.h>

static Runnel__Header message_of(const struct wire_header *h)
{
    Runnel__Header m = RUNNEL__HEADER__INIT;

    m.reply = (char *)h->reply;
    m.traceparent = (char *)h->traceparent;
    m.call = h->call;
    return m;
}

size_t header_size(const struct wire_header *h)
{
    Runnel__Header m = message_of(h);

    return element_size(runnel__header__get_packed_size(&m));
}

void header_write(uint8_t *to, const struct wire_header *h)
{
    Runnel__Header m = message_of(h);

    to += element_prefix(to, runnel__header__get_packed_size(&m));
    runnel__header__pack(&m, to);
}

static bool read_field(void *to, unsigned field, unsigned type, uint64_t number, struct bytes text)
{
    struct wire_header *h = to;

    switch (field << 3 | type) {
    case 1 << 3 | 2:
        return fields_text(h->reply, WIRE_NAME_MAX, text);
    case 2 << 3 | 2:
        return fields_text(h->traceparent, WIRE_TRACEPARENT_MAX, text);
    case 3 << 3 | 0:
        h->call = number;
        return true;
    default:
        return field > 3; /* of a later version */
    }
}

int header_read(struct wire_header *h, const uint8_t *data, size_t size, const uint8_t **element,
                size_t *len)
{
    h->reply[0] = h->traceparent[0] = '\0';
    h->call = 0;
    return fields_head(data, size, WIRE_HEADER_MAX, read_field, h, element, len);
}
