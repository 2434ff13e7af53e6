/* dead.c - dead letters: dying, and being buried.   SPDX-License-Identifier: MIT */
#include "broker/core/dead.h"

#include "broker/core/attributes.h"
#include "broker/core/batch.h"
#include "broker/core/state.h"
#include "broker/core/tap.h"
#include "proto/dead.h"
#include "proto/name.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MORE_BYTES (UINT64_C(64) << 10) /* so that the largest element has room with its header */

/* ---- why ------------------------------------------------------------------------------------------------------------ */

struct epitaph *epitaph_new(enum wire_cause cause, const char *why)
{
    struct epitaph *e = malloc(sizeof *e + strlen(why) + 1);

    if (e == NULL)
        return NULL;
    e->refs = 1;
    e->cause = cause;
    strcpy(e->why, why);
    return e;
}

struct epitaph *epitaph_ref(struct epitaph *e)
{
    if (e != NULL)
        e->refs++;
    return e;
}

void epitaph_unref(struct epitaph *e)
{
    if (e != NULL && --e->refs == 0)
        free(e);
}

/* ---- dying ---------------------------------------------------------------------------------------------------------- */

void dead_die(struct channel *ch, struct run_queue *from, struct epitaph *e)
{
    struct run *r;

    if (ch->is_reply) { /* it has no dead letters, for it is soon gone itself */
        ch->ledger.dropped_cancelled += from->count;
        run_queue_free(from);
        return;
    }
    while ((r = run_queue_first(from)) != NULL) {
        run_queue_take(from, r);
        epitaph_unref(r->epitaph);
        r->epitaph = epitaph_ref(e);
        run_queue_push(&ch->dying, r);
    }
}

uint64_t dead_sift(struct channel *ch, struct run_queue *from)
{
    struct run_queue dead;
    struct hook *next;

    run_queue_init(&dead);
    for (struct hook *at = from->head.next; at != &from->head; at = next) {
        struct run *r = list_entry(at, struct run, hook);
        next = at->next;
        if (ch->is_dead || r->s.deliveries < ch->attributes.max_deliveries) {
            r->s.deliveries++;
            continue;
        }
        rn_reached("dead: an element was delivered too often");
        run_queue_take(from, r);
        run_queue_push(&dead, r);
    }
    dead_die(ch, &dead, NULL);
    return from->count;
}

/* ---- being buried ----------------------------------------------------------------------------------------------------- */

struct wire_attributes dead_attributes(void)
{
    struct wire_attributes a = { .capacity_bytes = WIRE_BYTES_DEFAULT + MORE_BYTES, .type = "" };

    attributes_fix_rest(&a);
    return a;
}

/* The channel of ch's dead letters; NULL: there is none, and no memory for it. */
static struct channel *dead_of(const struct channel *ch)
{
    char name[WIRE_NAME_MAX + 1];

    snprintf(name, sizeof name, "%.*s" NAME_DEAD, WIRE_NAME_GIVEN_MAX, ch->name);
    struct channel *dead = channel_awake(ch->core, name); /* one of these is not folded */
    return dead != NULL ? dead : channel_new(ch->core, name);
}

static struct wire_dead header_of(const struct channel *ch, const struct run *r)
{
    struct wire_dead d = {
        .cause = r->epitaph != NULL ? r->epitaph->cause : WIRE_CAUSE_DELIVERIES,
        .position = r->s.position,
        .deliveries = r->s.deliveries,
        .died_ms = ch->core->opts.wall_ms != NULL ? ch->core->opts.wall_ms() : 0,
    };

    strcpy(d.channel, ch->name);
    if (r->epitaph != NULL)
        strcpy(d.why, r->epitaph->why);
    return d;
}

/* A run of one dead letter.  NULL: no memory. */
static struct run *letter_new(const struct wire_dead *d, uint32_t manner, size_t size,
                              const uint8_t *element, size_t len)
{
    struct frame *f = frame_new(element_size(size));

    if (f == NULL)
        return NULL;
    size_t prefix = element_prefix(f->data, size);
    dead_write(f->data + prefix, d, element, len);
    const struct wire_section s = { .count = 1,
                                    .number = 1,
                                    .deliveries = 1,
                                    .bytes = size,
                                    .flags = WIRE_DEAD | manner,
                                    .size = (uint32_t)f->len,
                                    .body = f->data };
    struct run *r = run_new(&s, f);
    frame_unref(f);
    return r;
}

enum burial { BURIED, NO_ROOM, NO_MEMORY };

/* Buries the first element of the first run. */
static enum burial bury_one(struct channel *ch, struct channel *dead)
{
    struct run *r = run_queue_first(&ch->dying);
    struct wire_dead d = header_of(ch, r);
    size_t at = 0, len;
    batch_look(r);
    if (!run_gather(r))
        return NO_MEMORY;
    const uint8_t *element = section_element(&r->s, &at, &len);
    size_t size = dead_size(&d, len);

    if (size > dead->attributes.capacity_bytes) /* else it would never have room */
        dead->attributes.capacity_bytes = ch->attributes.capacity_bytes + MORE_BYTES;
    if (dead->closed || channel_free_slots(dead) == 0 || channel_free_bytes(dead) < size)
        return NO_ROOM;
    struct run *letter = letter_new(&d, r->s.flags & WIRE_MANNER, size, element, len);
    if (letter == NULL)
        return NO_MEMORY;
    letter->s.position = dead->next_position++;
    letter->accepted_ns = ch->core->now_ns;
    tap_see(dead, letter);
    run_queue_push(&dead->queue, letter);
    dead->ledger.accepted++;
    ch->ledger.dead++;
    run_queue_drop(&ch->dying, 1);
    return BURIED;
}

bool dead_bury(struct channel *ch)
{
    enum burial how = BURIED;
    uint64_t before = ch->dying.count;

    if (before == 0)
        return false;
    rn_assert(!ch->is_dead);
    struct channel *dead = dead_of(ch);
    if (dead == NULL)
        how = NO_MEMORY;
    while (how == BURIED && ch->dying.count > 0)
        how = bury_one(ch, dead);
    if (how == NO_MEMORY)
        channel_doubt(ch); /* look again in a while */
    if (ch->dying.count == before)
        return false;
    channel_after(dead);
    return true;
}

void dead_wake(struct channel *ch)
{
    char name[WIRE_NAME_MAX + 1];

    snprintf(name, sizeof name, "%.*s", (int)(strlen(ch->name) - strlen(NAME_DEAD)), ch->name);
    struct channel *from = channel_awake(ch->core,
                                         name); /* nothing is dying in one that is folded */
    if (from != NULL && from->dying.count > 0 && !hook_linked(&from->dirty))
        hook_put(&ch->core->dirty, &from->dirty);
}
