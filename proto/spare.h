/* spare.h - memory of one size that is kept for who needs it next.   SPDX-License-Identifier: MIT
 *
 * What each frame needs would otherwise be taken from the allocator and given back, frame after frame.  At most SPARE_MAX
 * pieces are kept, so what a moment needed once does not stay.  The sanitizers are to see everything freed: they keep none. */
#ifndef PROTO_SPARE_H
#define PROTO_SPARE_H

#include <stdatomic.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPARE_MAX 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SPARE_MAX 0
#endif
#endif
#ifndef SPARE_MAX
#define SPARE_MAX 16
#endif

/* Static, with its size; else zeroed. */
struct spare {
    size_t size;                          /* bytes of a piece */
    _Atomic(void *) piece[SPARE_MAX + 1]; /* each is NULL or nobody's; any thread */
};

/* Gives uninitialised memory, or NULL.  Any thread, as the next. */
void *spare_take(struct spare *s);
/* Takes what spare_take() gave; not NULL. */
void spare_give(struct spare *s, void *piece);

#endif
