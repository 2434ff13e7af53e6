/* page.h - elements that are shown, as much of them as one Answer holds.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_PAGE_H
#define BROKER_CORE_PAGE_H

#include "broker/core/state.h"

#define PAGE_ELEMENTS 256

struct page {
    struct wire_element *elements; /* their bytes are borrowed */
    uint32_t n;
    size_t bytes; /* that they take in an envelope, at most */
};

/* Empty.  false: no memory. */
bool page_init(struct page *p);
void page_fini(struct page *p);

/* Adds e, whose `bytes` are all of it, from e.offset on.  What is larger than a page comes alone, and only as far as it
 * fits.  false: it has no room beside the others, and was not added. */
bool page_add(struct page *p, struct wire_element e);
/* Is the last one of it not whole? */
bool page_is_cut(const struct page *p);

/* Says it as the only Answer to the question of that id: c has the other members of its `answer`. */
void page_say(const struct page *p, struct core_session *to, uint32_t id, struct wire_control c);

/* The channel that the question c names; NULL: it was answered that there is none. */
struct channel *page_channel(struct core_session *to, const struct wire_control *c);

/* There is no answer, and why; the sentence names the channel. */
void page_refuse(struct core_session *to, uint32_t id, enum wire_code code, const char *name,
                 const char *phrase);

#endif
