/* list.h - intrusive lists: a thing is put on and taken off in O(1), without memory.   SPDX-License-Identifier: MIT
 *
 * A list is a ring through its head.  A hook that is on no list points to itself; so taking it off twice is
 * harmless, and hook_linked() tells. */
#ifndef BROKER_CORE_LIST_H
#define BROKER_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hook {
    struct hook *prev, *next;
};

#define list_entry(hook, type, member) ((type *)(void *)((char *)(hook)-offsetof(type, member)))

/* The first thing of the list, or NULL. */
#define list_first(head, type, member) \
    ((head)->next == (head) ? NULL : list_entry((head)->next, type, member))

#define list_each(head, at) for (struct hook *at = (head)->next; at != (head); at = at->next)

static inline void hook_init(struct hook *h)
{
    h->prev = h->next = h;
}

static inline bool hook_linked(const struct hook *h)
{
    return h->next != h;
}

static inline bool list_empty(const struct hook *head)
{
    return head->next == head;
}

/* Takes it off its list, if it is on one. */
static inline void hook_take(struct hook *h)
{
    h->prev->next = h->next;
    h->next->prev = h->prev;
    hook_init(h);
}

/* Puts it before `at`; before the head is at the end. */
static inline void hook_put(struct hook *at, struct hook *h)
{
    hook_take(h);
    h->prev = at->prev;
    h->next = at;
    at->prev->next = h;
    at->prev = h;
}

#endif
