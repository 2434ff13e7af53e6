/* copy.h - copies of few bytes, without a call.   SPDX-License-Identifier: MIT
 *
 * Of an element of a few bytes memcpy() is a good part of what it costs: the call, and the way to the case that fits. */
#ifndef PROTO_COPY_H
#define PROTO_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Two pieces of which the second ends where the bytes end; they may overlap. */
#define COPY_ENDS(piece, to, from, size)                                               \
    do {                                                                               \
        piece first_, last_;                                                           \
        memcpy(&first_, (from), sizeof first_);                                        \
        memcpy(&last_, (const uint8_t *)(from) + (size) - sizeof last_, sizeof last_); \
        memcpy((to), &first_, sizeof first_);                                          \
        memcpy((uint8_t *)(to) + (size) - sizeof last_, &last_, sizeof last_);         \
    } while (0)

/* As memcpy(); of no bytes the pointers may be NULL. */
static inline __attribute__((always_inline)) void copy_bytes(void *to, const void *from,
                                                             size_t size)
{
    struct two {
        uint64_t a, b;
    };

    if (size > 2 * sizeof(struct two))
        memcpy(to, from, size);
    else if (size >= sizeof(struct two))
        COPY_ENDS(struct two, to, from, size);
    else if (size >= sizeof(uint64_t))
        COPY_ENDS(uint64_t, to, from, size);
    else if (size >= sizeof(uint32_t))
        COPY_ENDS(uint32_t, to, from, size);
    else if (size >= sizeof(uint16_t))
        COPY_ENDS(uint16_t, to, from, size);
    else if (size > 0)
        *(uint8_t *)to = *(const uint8_t *)from;
}

#endif
