/* elements.h - elements that a broker has shown, put together from their pieces and printed as lines.
 *   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_ELEMENTS_H
#define NODE_CTL_ELEMENTS_H

#include <stddef.h>

#include "node/ctl/common.h"
#include "node/ctl/stream.h"
#include "proto/wire.h"

struct elements {
    bool details; /* a line before each says where it is, and for how long */
    struct stream to;
    char *
        out; /* lines that are not written yet, and what there is of the last element; len of size bytes */
    size_t len, size;
    size_t begun;   /* where the element begins that is not whole; its ... */
    uint64_t whole; /* ... size; 0: there is none */
    uint64_t missing;
    uint64_t next;   /* position, and ... */
    uint64_t offset; /* ... byte of it, from which to go on */
    uint64_t n;      /* lines */
    int error;       /* < 0: out of memory */
};

void elements_init(struct elements *es, bool details);
void elements_fini(struct elements *es);

/* Takes what came next. */
void elements_add(struct elements *es, const struct wire_element *e);

/* Writes the lines that are whole.  CTL_OK; CTL_FAILED and it has said why; 128 + SIGPIPE when nobody reads them any more. */
int elements_flush(struct elements *es);

#endif
