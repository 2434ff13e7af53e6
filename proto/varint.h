/* varint.h - numbers as protobuf writes them: seven bits a byte, the lowest first.   SPDX-License-Identifier: MIT */
#ifndef PROTO_VARINT_H
#define PROTO_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 /* bytes */

/* Gives the bytes written. */
static inline size_t varint_put(uint8_t *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

bool varint_read_long(const uint8_t **at, const uint8_t *end, uint64_t *v);
/* Reads one and moves on behind it; what does not fit into 64 bits is dropped, as protobuf has it.  false: it is cut off, or too
 * long. */
static inline bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    if (*at == end || **at >= 0x80)
        return varint_read_long(at, end, v);
    *v = *(*at)++;
    return true;
}

#endif
