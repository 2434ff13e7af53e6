/* page.c - see page.h.   SPDX-License-Identifier: MIT */
#include "broker/core/page.h"

#include "proto/limits.h"
#include "runtime/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES    (WIRE_ENVELOPE_MAX / 2)
#define ELEMENT_BYTES 100 /* that an element takes beside its own and the node's name, at most */

bool page_init(struct page *p)
{
    *p = (struct page){ .elements = malloc(PAGE_ELEMENTS * sizeof *p->elements) };
    return p->elements != NULL;
}

void page_fini(struct page *p)
{
    free(p->elements);
}

bool page_add(struct page *p, struct wire_element e)
{
    size_t need = ELEMENT_BYTES + strlen(e.node);

    if (p->n == PAGE_ELEMENTS || (p->n > 0 && need + e.len > PAGE_BYTES - p->bytes) ||
        page_is_cut(p))
        return false;
    if (need + e.len > PAGE_BYTES - p->bytes)
        e.len = PAGE_BYTES - p->bytes - need;
    p->elements[p->n++] = e;
    p->bytes += need + e.len;
    rn_assert(p->bytes <= PAGE_BYTES);
    return true;
}

bool page_is_cut(const struct page *p)
{
    const struct wire_element *last = p->n > 0 ? &p->elements[p->n - 1] : NULL;

    return last != NULL && last->offset + last->len < last->size;
}

void page_say(const struct page *p, struct core_session *to, uint32_t id, struct wire_control c)
{
    c.what = WIRE_ANSWER;
    c.bind = id;
    c.answer.last = true;
    if (p != NULL) {
        c.answer.elements = p->elements;
        c.answer.n_elements = p->n;
    }
    (void)to->core->opts.out.control(to->owner, &c);
}

void page_refuse(struct core_session *to, uint32_t id, enum wire_code code, const char *name,
                 const char *phrase)
{
    char sentence[WIRE_TEXT_MAX];

    snprintf(sentence, sizeof sentence, "channel \"%.*s\": %s", WIRE_NAME_MAX, name, phrase);
    page_say(NULL, to, id,
             (struct wire_control){ .answer = { .code = code, .sentence = sentence } });
}

struct channel *page_channel(struct core_session *to, const struct wire_control *c)
{
    struct channel *ch;

    if (!channel_find(to->core, c->peek.name, &ch))
        page_refuse(to, c->bind, WIRE_NO_MEMORY, c->peek.name, "the broker has no memory for that");
    else if (ch == NULL)
        page_refuse(to, c->bind, WIRE_NOT_FOUND, c->peek.name, "this broker has no such channel");
    return ch;
}
