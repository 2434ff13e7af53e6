/* browse.c - the codec of what is asked about a channel's elements and taps, and of the answers.   SPDX-License-Identifier: MIT */
#include "proto/codec.h"
#include "proto/limits.h"

#include <errno.h>

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

static int tap_read(struct wire_control *c, const Runnel__Tap *pb)
{
    c->bind = pb->id;
    c->peek.tap = pb->tap;
    c->peek.rate = pb->rate;
    c->peek.end = pb->end;
    return text_read(&c->peek.name, pb->name, WIRE_NAME_MAX);
}

int browse_read(struct wire_control *c, const Runnel__Control *pb)
{
    switch (c->what) {
    case WIRE_PEEK:
        return peek_read(c, pb->peek);
    case WIRE_PURGE:
        return purge_read(c, pb->purge);
    case WIRE_REMOVE:
        return remove_read(c, pb->remove);
    default:
        return tap_read(c, pb->tap);
    }
}

int browse_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Peek peek = RUNNEL__PEEK__INIT;
    Runnel__Purge purge = RUNNEL__PURGE__INIT;
    Runnel__Remove remove = RUNNEL__REMOVE__INIT;
    Runnel__Tap tap = RUNNEL__TAP__INIT;
    char *name;
    int rc = text_write(&name, c->peek.name, WIRE_NAME_MAX);

    if (rc < 0)
        return rc;
    peek.id = purge.id = remove.id = tap.id = c->bind;
    peek.name = purge.name = remove.name = tap.name = name;
    peek.from = c->peek.from;
    peek.offset = c->peek.offset;
    peek.count = c->peek.count;
    remove.force = c->peek.force;
    tap.tap = c->peek.tap;
    tap.rate = c->peek.rate;
    tap.end = c->peek.end;
    if (c->what == WIRE_PEEK)
        pb->peek = &peek;
    else if (c->what == WIRE_PURGE)
        pb->purge = &purge;
    else if (c->what == WIRE_REMOVE)
        pb->remove = &remove;
    else
        pb->tap = &tap;
    return control_pack(b, pb);
}

/* ---- taps --------------------------------------------------------------------------------------------------------- */

int taps_read(struct wire_channel_info *to, const Runnel__ChannelInfo *pb, struct arena *a)
{
    struct wire_tap_info *taps;
    int rc = 0;

    if (pb->n_tap == 0)
        return 0;
    taps = arena_alloc(a, pb->n_tap * sizeof *taps);
    if (taps == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_tap && rc == 0; i++) {
        const Runnel__TapInfo *tap = pb->tap[i];
        taps[i] = (struct wire_tap_info){ .rate = tap->rate,
                                          .tapped = tap->tapped,
                                          .skipped = tap->skipped };
        rc = text_read(&taps[i].node, tap->node, WIRE_TEXT_MAX);
    }
    to->taps = taps;
    to->n_taps = (uint32_t)pb->n_tap;
    return rc;
}

int taps_write(Runnel__ChannelInfo *pb, const struct wire_channel_info *from, struct arena *a)
{
    Runnel__TapInfo *infos;
    int rc = 0;

    if (from->n_taps == 0)
        return 0;
    pb->tap = arena_alloc(a, from->n_taps * sizeof *pb->tap);
    infos = arena_alloc(a, from->n_taps * sizeof *infos);
    if (pb->tap == NULL || infos == NULL)
        return -ENOMEM;
    pb->n_tap = from->n_taps;
    for (uint32_t i = 0; i < from->n_taps && rc == 0; i++) {
        const struct wire_tap_info *tap = &from->taps[i];
        runnel__tap_info__init(&infos[i]);
        infos[i].rate = tap->rate;
        infos[i].tapped = tap->tapped;
        infos[i].skipped = tap->skipped;
        pb->tap[i] = &infos[i];
        rc = text_clip_in(&infos[i].node, tap->node, a);
    }
    return rc;
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
        .skipped = pb->skipped,
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
    c->answer.tap = pb->tap;
    c->answer.skipped = pb->skipped;
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
    runnel__element_info__init(pb);
    pb->position = from->position;
    pb->deliveries = from->deliveries;
    pb->place = (Runnel__Place)from->place;
    pb->age_ms = from->age_ms;
    pb->due_ms = from->due_ms;
    pb->flags = from->flags;
    pb->size = from->size;
    pb->offset = from->offset;
    pb->skipped = from->skipped;
    pb->bytes.data = (uint8_t *)from->bytes;
    pb->bytes.len = from->len;
    return text_clip_in(&pb->node, from->node, a);
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
    pb->tap = c->answer.tap;
    pb->skipped = c->answer.skipped;
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
