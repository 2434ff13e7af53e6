/* varint.c - see varint.h.   SPDX-License-Identifier: MIT */
#include "proto/varint.h"

bool varint_read_long(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    const uint8_t *p = *at;

    *v = 0;
    for (unsigned i = 0; i < VARINT_MAX && p < end; i++) {
        uint8_t byte = *p++;
        *v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *at = p;
            return true;
        }
    }
    return false;
}
