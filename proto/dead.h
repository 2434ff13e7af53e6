/* dead.h - dead letters: an element behind a header that says why it is there.   SPDX-License-Identifier: MIT
 *
 * See DEAD LETTERS in proto/runnel.proto. */
#ifndef PROTO_DEAD_H
#define PROTO_DEAD_H

#include "proto/frame.h"
#include "proto/limits.h"

struct wire_dead {
    enum wire_cause cause;
    char why[WIRE_WHY_MAX + 1];
    char channel[WIRE_NAME_MAX + 1];
    uint64_t position; /* there */
    uint32_t deliveries;
    int64_t died_ms; /* since 1970 */
};

/* How long a dead letter is that was an element of len bytes. */
size_t dead_size(const struct wire_dead *d, size_t len);

/* Writes it, as it stands in a section but without the prefix that says its length: dead_size() bytes. */
void dead_write(uint8_t *to, const struct wire_dead *d, const uint8_t *element, size_t len);

/* Finds the element in a dead letter.  0, and the header is d (NULL: of no interest); or -EPROTO. */
int dead_read(struct wire_dead *d, const uint8_t *letter, size_t size, const uint8_t **element,
              size_t *len);

#endif
