/* buf.c - the growing buffer that a codec encodes into.   SPDX-License-Identifier: MIT
 *
 * Invariant: len <= cap <= WIRE_ELEMENT_MAX.  A buffer has one owner at a time: no locks. */
#include "node/buf.h"

#include "proto/large.h"
#include "proto/limits.h"
#include "runtime/assert.h"

#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256         /* bytes of the first allocation */
#define BUF_KEPT  (64u << 10) /* larger memory is not kept for the next element */

uint8_t *buf_extend(struct rn_buf *out, size_t n, int *rc)
{
    if (n > WIRE_ELEMENT_MAX - out->len) {
        *rc = -EMSGSIZE;
        return NULL;
    }
    if (out->len + n > out->cap || out->data == NULL) {
        size_t cap = out->cap < BUF_FIRST ? BUF_FIRST : out->cap;
        while (cap < out->len + n)
            cap *= 2;
        if (cap > WIRE_ELEMENT_MAX)
            cap = WIRE_ELEMENT_MAX;
        uint8_t *data = realloc(out->lent ? NULL : out->data, cap);
        if (data == NULL) {
            *rc = -ENOMEM;
            return NULL;
        }
        if (out->lent && out->len > 0)
            memcpy(data, out->data, out->len);
        out->data = data;
        out->lent = false;
        out->cap = cap;
    }
    uint8_t *at = out->data + out->len;
    out->len += n;
    rn_assert(out->len <= out->cap);
    return at;
}

void buf_fini(struct rn_buf *b)
{
    if (!b->lent)
        free(b->data);
    *b = (struct rn_buf){ 0 };
}

void buf_reset(struct rn_buf *b)
{
    if (b->cap > BUF_KEPT || b->lent)
        buf_fini(b);
    b->len = 0;
}

static __attribute__((noinline)) int append_growing(rn_buf *out, const void *data, size_t len)
{
    int rc = 0;
    uint8_t *at = buf_extend(out, len, &rc);
    if (at != NULL)
        large_copy(at, data, len);
    return rc;
}

int rn_buf_append(rn_buf *out, const void *data, size_t len)
{
    if (out->data == NULL || len > out->cap - out->len)
        return append_growing(out, data, len);
    large_copy(out->data + out->len, data, len);
    out->len += len;
    return 0;
}
