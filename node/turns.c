/* turns.c - elements leave: whose turn it is, and how much of it fits into a frame.   SPDX-License-Identifier: MIT
 *
 * Handles with data have their turns one after the other, a section each.  One whose next element leaves in pieces sends one
 * piece a frame, and is parked while the window has not much room: so the others go on.
 * Invariant: a handle with data is in `turns` or in `parked`, or marked. */
#include "node/inside.h"
#include "proto/fetch.h"
#include "runtime/reach.h"

void turns_add(struct rn_node *n, struct handle *h)
{
    if (h->in_turn)
        return;
    h->in_turn = true;
    TAILQ_INSERT_TAIL(&n->turns, h, turn);
}

void turns_remove(struct rn_node *n, struct handle *h)
{
    if (!h->in_turn)
        return;
    h->in_turn = false;
    if (h->parked)
        TAILQ_REMOVE(&n->parked, h, turn);
    else
        TAILQ_REMOVE(&n->turns, h, turn);
    h->parked = false;
}

/* Its next piece waits until what is under way has arrived; others go on. */
static void turns_park(struct rn_node *n, struct handle *h)
{
    TAILQ_REMOVE(&n->turns, h, turn);
    TAILQ_INSERT_TAIL(&n->parked, h, turn);
    h->parked = true;
}

static void turns_unpark(struct rn_node *n)
{
    struct handle *h;
    while ((h = TAILQ_FIRST(&n->parked)) != NULL) {
        TAILQ_REMOVE(&n->parked, h, turn);
        TAILQ_INSERT_TAIL(&n->turns, h, turn);
        h->parked = false;
    }
}

/* A section of the handle has left: if there are more, their turn is after the others'.  Channel locked. */
static void turns_pass(struct rn_node *n, struct handle *h)
{
    const struct side *side = &h->side[RN_OUT];
    bool more = h->out.head != NULL || (handle_meets(h) && h->pairing.unsaid != NULL);
    if (!more && (side->close_due || side->unbind_due))
        node_mark(n, h); /* that was the last thing before its end */
    turns_remove(n, h);
    if (more)
        turns_add(n, h);
}

/* As one of the handle's binding. */
static int writer_put(struct rn_node *n, const struct handle *h, struct wire_section *s)
{
    const struct side *side = &h->side[RN_OUT];
    s->bind = side->id;
    s->incarnation = side->incarnation;
    s->epoch = side->epoch;
    return frame_writer_section(&n->writer, s);
}

/* What was to be put is, or (rc < 0) is back in its place: it is another's turn.  Channel locked; unlocks it. */
static bool writer_took(struct rn_node *n, struct handle *h, int rc)
{
    turns_pass(n, h);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    n->starved |= rc < 0;
    return rc == 0;
}

/* Copies the next piece of the handle's oldest element into the writer, if it is one that leaves in pieces: under the lock,
 * for its send may think better of it.  A frame has one piece.  1: it has, or is to wait; 0: there is no memory; -1: it is none.
 * Channel locked. */
static int writer_take_piece(struct rn_node *n, struct handle *h)
{
    bool meets = handle_meets(h);
    struct wire_section s;
    if (!(meets ? pairing_next_piece(h, &s) : outbox_next_piece(&h->out, &s)))
        return -1;
    if (n->writer_piece || !session_window_ample(n->session)) {
        turns_park(n, h);
        return 1;
    }
    if (writer_put(n, h, &s) < 0) {
        n->starved = true;
        return 0;
    }
    if (meets)
        pairing_piece_left(h, &s);
    else
        outbox_piece_left(&h->out, &s);
    n->writer_piece = true;
    turns_pass(n, h);
    return 1;
}

/* Moves the handle's oldest offer into the writer: as writer_take(). */
static bool writer_take_offer(struct rn_node *n, struct handle *h)
{
    struct wire_section s;
    struct chunk *chunk;
    rn__chan_lock(h->chan);
    size_t size = pairing_next_size(h), used = frame_writer_size(&n->writer);
    bool full = used > 0 && size > 0 && used + size > WIRE_FRAME_TARGET;
    int piece = full ? -1 : writer_take_piece(n, h);
    if (piece >= 0) {
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        return piece > 0;
    }
    struct parcel *p = full ? NULL : pairing_leave(h, &s, &chunk);
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    if (p == NULL) {
        if (!full)
            turns_remove(n, h);
        return !full;
    }
    int rc = writer_put(n, h, &s);
    rn__chan_lock(h->chan);
    if (rc < 0)
        pairing_unleave(h, p, chunk);
    else
        outbox_give(&h->out, chunk);
    return writer_took(n, h, rc);
}

/* What the next two in turn need is asked for: among thousands it is not in the processor's cache.  Of the outbox only where it
 * begins is looked at, which we alone change once there is something. */
static __attribute__((no_sanitize("thread"))) void turns_expect(const struct handle *h)
{
    const struct handle *next = TAILQ_NEXT(h, turn);
    if (next == NULL)
        return;
    const struct chunk *chunk = *(struct chunk *const volatile *)&next->out.head;
    __builtin_prefetch(next->chan);
    fetch_lines(chunk, 256);
    next = TAILQ_NEXT(next, turn);
    if (next == NULL)
        return;
    __builtin_prefetch(next);
    __builtin_prefetch(&next->out);
    __builtin_prefetch(&next->side[RN_OUT].state);
    __builtin_prefetch(&next->turn);
}

/* Moves the handle's oldest chunk into the writer.  false: it would make the frame too large, or there is no memory. */
static bool writer_take(struct rn_node *n, struct handle *h)
{
    turns_expect(h);
    rn__chan_lock(h->chan);
    size_t size = outbox_next_size(&h->out);
    size_t used = frame_writer_size(&n->writer);
    if (size == 0) {
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        turns_remove(n, h);
        return true;
    }
    if (used > 0 && used + size > WIRE_FRAME_TARGET) {
        rn_reached("turns: a section waits for the next frame");
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        return false;
    }
    int piece = writer_take_piece(n, h);
    if (piece >= 0) {
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        return piece > 0;
    }
    struct chunk *chunk = outbox_take(&h->out);
    struct wire_section s = {
        .count = chunk->count,
        .number = chunk->first,
        .bytes = chunk->bytes,
        .size = (uint32_t)chunk->len,
        .body = chunk->data,
    };
    manner_put(&s, &chunk->manner);
    /* Copied without the lock: senders go on into the next chunk meanwhile. */
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    int rc = writer_put(n, h, &s);
    rn__chan_lock(h->chan);
    if (rc < 0)
        outbox_untake(&h->out, chunk);
    else
        outbox_give(&h->out, chunk);
    return writer_took(n, h, rc);
}

int turns_send(struct rn_node *n)
{
    while (session_window_open(n->session)) {
        struct handle *h;
        if (frame_writer_size(&n->writer) == 0)
            n->writer_piece = false;
        if (session_window_ample(n->session))
            turns_unpark(n);
        while ((h = TAILQ_FIRST(&n->turns)) != NULL &&
               (handle_meets(h) ? writer_take_offer(n, h) : writer_take(n, h)))
            ;
        if (frame_writer_size(&n->writer) == 0)
            return 0;
        if (session_data(n->session, &n->writer) < 0) {
            n->starved = true;
            return 0;
        }
        int rc = traffic_pump(n);
        if (rc < 0)
            return rc;
    }
    return 0;
}
