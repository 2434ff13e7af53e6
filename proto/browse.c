/* browse.c - the codec of what is asked about a channel's elements, and of the answers.   SPDX-License-Identifier: MIT */
#include "proto/codec.h"
#include "proto/limits.h"

#include <errno.h>
#include <string.h>

/* ---- questions ---------------------------------------------------------------------------------------------------- */

static int peek_read(struct wire_control *c, const Runnel__Peek *pb)
{
    c->bind = pb->id;
    c->peek.from = pb->from;
    c->peek.offset = pb->offset;
    c->peek.count = pb->count;
    return text_read(&c->peek.name, pb->name, WIRE_NAME_MAX);
}

static int purge_read(struct wire_control *c, const Runnel__Purge *pb)
{
    c->bind = pb->id;
    return text_read(&c->peek.name, pb->name, WIRE_NAME_MAX);
}

static int remove_read(struct wire_control *c, const Runnel__Remove *pb)
{
    c->bind = pb->id;
    c->peek.force = pb->force;
    return text_read(&c->peek.name, pb->name, WIRE_NAME_MAX);
}

int browse_read(struct wire_control *c, const Runnel__Control *pb)
{
    return c->what == WIRE_PEEK    ? peek_read(c, pb->peek)
           : c->what == WIRE_PURGE ? purge_read(c, pb->purge)
                                   : remove_read(c, pb->remove);
}

int browse_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Peek peek = RUNNEL__PEEK__INIT;
    Runnel__Purge purge = RUNNEL__PURGE__INIT;
    Runnel__Remove remove = RUNNEL__REMOVE__INIT;
    char *name;
    int rc = text_write(&name, c->peek.name, WIRE_NAME_MAX);

    if (rc < 0)
        return rc;
    if (c->what == WIRE_PEEK) {
        peek.id = c->bind;
        peek.name = name;
        peek.from = c->peek.from;
        peek.offset = c->peek.offset;
        peek.count = c->peek.count;
        pb->peek = &peek;
    } else if (c->what == WIRE_PURGE) {
        purge.id = c->bind;
        purge.name = name;
        pb->purge = &purge;
    } else {
        remove.id = c->bind;
        remove.name = name;
        remove.force = c->peek.force;
        pb->remove = &remove;
    }
    return control_pack(b, pb);
}

/* ---- elements ----------------------------------------------------------------------------------------------------- */

static int element_read(struct wire_element *to, const Runnel__ElementInfo *pb)
{
    *to = (struct wire_element){
        .position = pb->position,
        .deliveries = pb->deliveries,
        .place = (enum wire_place)pb->place,
        .age_ms = pb->age_ms,
        .due_ms = pb->due_ms,
        .flags = pb->flags,
        .size = pb->size,
        .offset = pb->offset,
        .bytes = pb->bytes.data,
        .len = pb->bytes.len,
    };
    if ((int)pb->place < WIRE_BUFFERED || (int)pb->place > WIRE_PLACE_LAST)
        return -EPROTO;
    if (pb->offset > pb->size || pb->bytes.len > pb->size - pb->offset)
        return -EPROTO;
    return text_read(&to->node, pb->node, WIRE_TEXT_MAX);
}

int elements_read(struct wire_control *c, const Runnel__Answer *pb, struct arena *a)
{
    struct wire_element *elements;
    int rc = 0;

    c->answer.more = pb->more;
    c->answer.incarnation = pb->incarnation;
    c->answer.dropped = pb->dropped;
    c->answer.dropped_bytes = pb->dropped_bytes;
    if (pb->n_element == 0)
        return 0;
    elements = arena_alloc(a, pb->n_element * sizeof *elements);
    if (elements == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_element && rc == 0; i++)
        rc = element_read(&elements[i], pb->element[i]);
    c->answer.elements = elements;
    c->answer.n_elements = (uint32_t)pb->n_element;
    return rc;
}

static int element_write(Runnel__ElementInfo *pb, const struct wire_element *from, struct arena *a)
{
    char *room = NULL;

    if (from->node != NULL && strnlen(from->node, WIRE_TEXT_MAX + 1) > WIRE_TEXT_MAX) {
        room = arena_alloc(a, WIRE_TEXT_MAX + 1);
        if (room == NULL)
            return -ENOMEM;
    }
    runnel__element_info__init(pb);
    pb->position = from->position;
    pb->deliveries = from->deliveries;
    pb->place = (Runnel__Place)from->place;
    pb->node = text_clip(from->node, room);
    pb->age_ms = from->age_ms;
    pb->due_ms = from->due_ms;
    pb->flags = from->flags;
    pb->size = from->size;
    pb->offset = from->offset;
    pb->bytes.data = (uint8_t *)from->bytes;
    pb->bytes.len = from->len;
    return 0;
}

int elements_write(Runnel__Answer *pb, const struct wire_control *c, struct arena *a)
{
    uint32_t n = c->answer.n_elements;
    Runnel__ElementInfo *infos;
    int rc = 0;

    pb->more = c->answer.more;
    pb->incarnation = c->answer.incarnation;
    pb->dropped = c->answer.dropped;
    pb->dropped_bytes = c->answer.dropped_bytes;
    if (n == 0)
        return 0;
    pb->element = arena_alloc(a, n * sizeof *pb->element);
    infos = arena_alloc(a, n * sizeof *infos);
    if (pb->element == NULL || infos == NULL)
        return -ENOMEM;
    pb->n_element = n;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        pb->element[i] = &infos[i];
        rc = element_write(&infos[i], &c->answer.elements[i], a);
    }
    return rc;
}
