/* fields.h - a small protobuf message before an element, read field by field.   SPDX-License-Identifier: MIT
 *
 * Without protobuf-c's memory: what stands before an element is read where nobody can be told that there was none, and for
 * every element that has it.  A few lines of the wire format suffice. */
#ifndef PROTO_FIELDS_H
#define PROTO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *at;
    size_t left;
};

/* A field of wire type `type`: its number (0, 1), or its bytes.  false: it is not as the message has it. */
typedef bool fields_fn(void *to, unsigned field, unsigned type, uint64_t number, struct bytes text);

/* Reads a message of at most `max` bytes, behind its length as a varint, from the beginning of data; a field that comes twice
 * is told twice.  0, and *rest is what follows it; -EPROTO, also when fn says so: then *rest and *rest_len are as they were. */
int fields_head(const uint8_t *data, size_t size, size_t max, fields_fn *fn, void *to,
                const uint8_t **rest, size_t *rest_len);

/* Copies a string of at most max bytes, and its zero.  false: it is longer, or has a zero in it. */
bool fields_text(char *to, size_t max, struct bytes text);

#endif
