/* header.h - what an element may carry beside its bytes.   SPDX-License-Identifier: MIT
 *
 * See HEADERS in proto/runnel.proto.  Only nodes write and read it. */
#ifndef PROTO_HEADER_H
#define PROTO_HEADER_H

#include "proto/limits.h"

#include <stddef.h>
#include <stdint.h>

struct wire_header {
    char reply[WIRE_NAME_MAX + 1]; /* the channel that the answer is to go to; "": none */
    char traceparent[WIRE_TRACEPARENT_MAX + 1]; /* "": none */
    uint64_t call; /* which question: an answer carries the number of its own; 0: none */
};

/* How many bytes it takes before an element, with its length: at most WIRE_HEADER_MAX. */
size_t header_size(const struct wire_header *h);
void header_write(uint8_t *to, const struct wire_header *h); /* header_size() bytes */

/* Finds the element behind it.  0; -EPROTO, and *element and *len are as they were. */
int header_read(struct wire_header *h, const uint8_t *data, size_t size, const uint8_t **element,
                size_t *len);

#endif
