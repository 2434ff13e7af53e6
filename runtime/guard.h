/* guard.h - what notices that a goroutine has used more stack than it has.   SPDX-License-Identifier: MIT
 *
 * The best is a page that cannot be touched; how the kernel is asked for one depends on the kernel.  Where it gives none a
 * pattern lies at the low end of the stack, which is looked at whenever the goroutine gives way. */
#ifndef RN__GUARD_H
#define RN__GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum rn__guard {
    RN__GUARD_MADVISE, /* MADV_GUARD_INSTALL (Linux 6.13): splits no mapping, so there may be millions */
    RN__GUARD_PROTECT, /* mprotect: two mappings each, of which a process has some ten thousand */
    RN__GUARD_CANARY,  /* none to be had: the pattern */
};

#define RN__CANARY_SIZE 256u /* bytes of the pattern */

/* Guards n pages, the first at `page` and each stride bytes above the last: all in the same way, which is returned.
 * RN_STACK_GUARD=madvise|mprotect|canary in the environment says which way is tried first.  Any thread. */
enum rn__guard rn__guard_install(char *page, size_t stride, unsigned n);
/* The same for one page that is worth mappings which are kept back from the others; it may fail. */
void rn__guard_border(char *page);
/* That many pages guarded in that way are gone, with their mapping. */
void rn__guard_forget(enum rn__guard kind, unsigned n);

/* Of the pattern at the low end of a stack: RN__CANARY_SIZE bytes. */
void rn__canary_write(char *low);
bool rn__canary_whole(const char *low);

size_t rn__page_size(void);

#endif
