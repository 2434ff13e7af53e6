/* spare.c - see spare.h.   SPDX-License-Identifier: MIT */
#include "proto/spare.h"

#include <stdlib.h>

void *spare_take(struct spare *s)
{
    for (int i = 0; i < SPARE_MAX; i++) {
        /* Relaxed: a hint, the exchange decides.  Acquire: see spare_give(). */
        if (atomic_load_explicit(&s->piece[i], memory_order_relaxed) == NULL)
            continue;
        void *p = atomic_exchange_explicit(&s->piece[i], NULL, memory_order_acquire);
        if (p != NULL)
            return p;
    }
    return malloc(s->size);
}

void spare_give(struct spare *s, void *piece)
{
    for (int i = 0; i < SPARE_MAX; i++) {
        void *none = NULL;

        /* Release: whoever takes it sees that all reads of it are over.  A failure publishes nothing. */
        if (atomic_load_explicit(&s->piece[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&s->piece[i], &none, piece,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    free(piece);
}
