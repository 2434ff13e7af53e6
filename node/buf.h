/* buf.h - the growing buffer that a codec encodes into.   SPDX-License-Identifier: MIT */
#ifndef NODE_BUF_H
#define NODE_BUF_H

#include "node/runnel.h"

#include <stdbool.h>

struct rn_buf { /* all zero: empty */
    uint8_t *data;
    size_t len, cap;
    bool lent; /* data is somebody else's: it is left behind when it is too small */
};

/* Makes room for n more bytes and gives where they go (then out->len is behind them); NULL with *rc -ENOMEM
 * or -EMSGSIZE. */
uint8_t *buf_extend(struct rn_buf *out, size_t n, int *rc);
void buf_fini(struct rn_buf *b);

/* Keeps the memory for the next element unless it is a lot, or lent. */
void buf_reset(struct rn_buf *b);

#endif
