/* pieces.c - see pieces.h.   SPDX-License-Identifier: MIT
 *
 * Invariant: what is coming fits into the credit that its sender holds. */
#include "broker/core/pieces.h"

#include "broker/core/batch.h"
#include "broker/core/credit.h"
#include "broker/core/fan.h"
#include "broker/core/meet.h"
#include "broker/core/state.h"
#include "proto/scatter.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>

/* ---- in ------------------------------------------------------------------------------------------------------------ */

/* In a rendezvous and in a fanout whoever has an element looks into it. */
static uint64_t scattered_from(const struct binding *b)
{
    const struct channel *ch = b->channel;

    return channel_meets(ch) || channel_fans(ch) ? 0 : b->session->core->whole_max;
}

int pieces_come(struct binding *b, const struct wire_section *piece, struct frame *in,
                struct wire_section *whole, struct frame **frame, const char **why)
{
    int rc;

    *why = channel_meets(b->channel) ? meet_fault(b, piece) : credit_fault(b, piece);
    if (*why != NULL)
        return -EPROTO;
    rn_reached_if(piece->offset == 0 && b->coming.frame != NULL,
                  "pieces: an element is begun again");
    rc = assembly_add(&b->coming, piece, in, scattered_from(b), why);
    if (rc <= 0)
        return rc;
    rn_reached("pieces: an element is whole");
    *frame = assembly_take(&b->coming, whole);
    return 1;
}

void pieces_uncredited(struct binding *b)
{
    bool meets = channel_meets(b->channel);

    if (b->coming.frame == NULL ||
        (b->held > 0 && (meets || b->coming.section.bytes <= b->held_bytes)))
        return;
    rn_reached("pieces: an element that was begun is not wanted any more");
    assembly_drop(&b->coming);
}

/* ---- out ----------------------------------------------------------------------------------------------------------- */

bool pieces_needed(const struct binding *b, struct run *r)
{
    uint64_t whole_max = b->session->core->whole_max;
    size_t at = 0, len;

    if (r->s.bytes <= whole_max)
        return false;
    batch_look(r);
    section_element(&r->s, &at, &len);
    return len > whole_max;
}

bool pieces_next(const struct binding *b)
{
    return b->leaving != NULL ||
           (b->outbox.count > 0 && pieces_needed(b, run_queue_first(&b->outbox)));
}

void pieces_begin(struct binding *b, struct run *r)
{
    rn_assert(b->leaving == NULL);
    rn_assert(r->s.count == 1);
    b->leaving = r;
    b->leaving_at = 0;
    side_place(b); /* it cannot be recalled half way */
}

/* How much to take of `together` bytes, at most `max`.  What would leave very little is cut in the middle: a receiver copies
 * what is far smaller than the rest, and all of the element with it. */
static uint64_t cut_evenly(uint64_t together, uint64_t max)
{
    if (together <= max)
        return together;
    return together - max < max ? together / 2 : max;
}

void pieces_pull(struct binding *b, uint64_t max_bytes, struct wire_section *section)
{
    const struct wire_section *s = &b->leaving->s;
    const uint64_t header = WIRE_SECTION_HEADER + WIRE_SECTION_TIMES + WIRE_PIECE_HEADER;
    uint64_t max = max_bytes > header ? max_bytes - header : 1;
    size_t at = 0, len;
    const uint8_t *element = section_element(s, &at, &len), *bytes = NULL;
    size_t together = len;

    if (max > b->session->core->opts.piece_bytes)
        max = b->session->core->opts.piece_bytes;
    if (b->leaving->batch == NULL && frame_is_scattered(b->leaving->frame)) {
        bytes = scatter_at(b->leaving->frame, b->leaving_at, &together);
        max = cut_evenly(together, max);
    }
    piece_cut(section, s, element, b->leaving_at, max);
    if (bytes != NULL)
        section->body = bytes;
    if (b->leaving->expiry != NULL)
        expiry_tell(b->leaving->expiry, section, b->session->core->now_ns);
    b->leaving_at += section->size;
    if (b->leaving_at < len)
        return;
    b->leaving = NULL;
    b->fresh = true;
    side_place(b);
}

void pieces_end(struct binding *b, const struct run *r)
{
    if (b->leaving != r)
        return;
    rn_reached_if(r != NULL, "pieces: an element stops leaving half way");
    b->leaving = NULL;
    side_place(b);
    if (channel_fans(b->channel))
        fan_place(b);
    else if (b->outbox.count == 0)
        hook_take(&b->turn);
}
