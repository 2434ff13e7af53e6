/* quick.c - a send or a receive with nothing in its way.   SPDX-License-Identifier: MIT
 *
 * On a busy channel that is nearly every one: credit or an element is in hand, nobody waits, the lease is not near its end, and
 * nothing stands beside the element's bytes.  Then no parcel is taken, and an element is copied rather than kept alive by
 * another reference to its frame; one that is its own bytes (codec_flat()) goes straight from the program into the section that
 * is to leave, and from the frame that came into the program.  Whatever is not so is found out anew in op.c, which alone decides
 * on errors: so a codec may be asked twice for the same element.
 *
 * A quick receive is the only taker under way when it takes; so its turn to finish has come when it has decoded, and it
 * needs no memory to wait for that. */
#include "node/codec.h"
#include "node/crowd.h"
#include "node/inside.h"
#include "node/op.h"
#include "node/trace.h"
#include "node/trail.h"
#include "runtime/assert.h"
#include "runtime/heirloom.h"
#include "runtime/reach.h"

#include <string.h>

/* What both ways, of an element that is its own bytes and of any, have in common, and each for itself. */
#define QUICK static inline __attribute__((always_inline))

/* Acquire pairs with the release when the side was bound: its codec and its options are seen. */
QUICK bool side_usable(const struct side *side)
{
    return atomic_load_explicit(&side->usable, memory_order_acquire) && !node_forked();
}

/* Is the end of the lease far away?  Else op.c looks closely. */
QUICK bool lease_is_long(const struct handle *h)
{
    return rn__boottime_before(atomic_load(&h->node->fence_ns));
}

/* What changed is said to the home; the mark of one that is marked already costs a load. */
QUICK void handle_changed(struct handle *h)
{
    if (!atomic_load(&h->dirty))
        node_mark(h->node, h);
}

/* Among thousands of handles what is looked at behind the lock is not in the processor's cache, and nothing behind the lock is
 * fetched before that is taken.  So it is asked for before; the pointers are hints, for others change them. */
static __attribute__((no_sanitize("thread"))) void send_expect(const struct handle *h)
{
    __builtin_prefetch(h);
    __builtin_prefetch(*(struct chunk *const volatile *)&h->out.tail);
}

static void receive_expect(const struct handle *h)
{
    __builtin_prefetch(h);
    __builtin_prefetch(&h->popped);
    __builtin_prefetch(&h->in.newest);
}

/* Scattered is only what is larger than `large`. */
uint16_t op_flat(const struct handle *h, enum rn_dir dir, const rn_codec *codec)
{
    size_t size = codec_flat(codec, dir);

    return size <= QUICK_ROOM && size <= h->out.large ? (uint16_t)size : 0;
}

/* ---- sending ---- */

/* Locked. */
QUICK bool send_is_quick(const struct handle *h, const struct side *side, size_t len)
{
    return h->fatal == 0 && side->closed == 0 && !h->draining && !handle_meets(h) &&
           rn__chan_first(h->chan, RN_SEND) == NULL && outbox_fits(&h->out, len) &&
           (h->capacity_bytes == 0 || len <= h->capacity_bytes);
}

/* What is left to do for an element that has joined a chunk. */
struct sent {
    enum crowd_kind crowds;
    const uint8_t *to; /* where the next one will lie */
};

/* Locked. */
QUICK int send_at_once(struct handle *h, const struct side *side, const uint8_t *data, size_t len,
                       struct sent *sent)
{
    static const struct manner plain;
    const struct chunk *was = h->out.tail;
    uint64_t number;

    if (!send_is_quick(h, side, len) || outbox_push(&h->out, &plain, data, len, &number) < 0)
        return RN__NOT_READY;
    sent->crowds = h->out.tail != was ? outbox_crowds(&h->out) : CROWD_NONE;
    sent->to = h->out.tail->data + h->out.tail->len;
    if (was == NULL) /* else the link goroutine has us on its list until all is sent */
        handle_changed(h);
    return 0;
}

/* The element is encoded. */
QUICK int send_bytes(rn_chan *c, struct handle *h, const uint8_t *data, size_t len,
                     struct sent *sent)
{
    int rc;

    rn__lock(&c->lock);
    rc = send_at_once(h, &h->side[RN_OUT], data, len, sent);
    handle_check_slowly(h);
    rn__unlock(&c->lock);
    if (rc == 0)
        rn__bump(&rn__worker()->counters.sends);
    return rc;
}

QUICK int send_done(struct handle *h, const struct sent *sent, rn_time deadline)
{
    trails_sent(node_trails(h->node), h->trail, h, sent->to);
    if (sent->crowds != CROWD_NONE)
        crowd_linger(h->node, sent->crowds, deadline);
    return 0;
}

static __attribute__((noinline)) int send_encoded(rn_chan *c, struct handle *h, const void *elem,
                                                  rn_time deadline)
{
    struct side *side = &h->side[RN_OUT];
    const struct rn_codec *codec = &side->codec;
    uint8_t room[QUICK_ROOM];
    struct rn_buf buf;
    struct sent sent;
    int rc;

    buf.data = room;
    buf.len = 0;
    buf.cap = sizeof room;
    buf.lent = true;
    rc = codec->encode(codec->ctx, elem, &buf);
    if (rc < 0 || !buf.lent) {
        if (rc >= 0 || rc == -ENOBUFS)
            atomic_store_explicit(&side->bulky, true, memory_order_relaxed);
        buf_fini(&buf);
        return RN__NOT_READY;
    }
    rc = send_bytes(c, h, buf.data, buf.len, &sent);
    if (rc != 0)
        return rc;
    if (codec->drop != NULL)
        codec->drop(codec->ctx, (void *)elem);
    return send_done(h, &sent, deadline);
}

/* An element that is its own bytes. */
QUICK int send_flat(rn_chan *c, struct handle *h, const void *elem, size_t size, rn_time deadline)
{
    struct sent sent;
    int rc = send_bytes(c, h, elem, size, &sent);

    return rc == 0 ? send_done(h, &sent, deadline) : rc;
}

int op_send(rn_chan *c, const void *elem, rn_time deadline)
{
    struct handle *h = rn__chan_bound(c);
    struct side *side = &h->side[RN_OUT];
    int rc = RN__NOT_READY;

    send_expect(h);
    /* Relaxed: a hint. */
    if (side_usable(side) && !side->confirms && !rn__heirlooms_used() &&
        !atomic_load_explicit(&side->bulky, memory_order_relaxed) && lease_is_long(h)) {
        users_note_goroutine(&side->users, rn__worker()->current);
        rc = side->flat > 0 ? send_flat(c, h, elem, side->flat, deadline)
                            : send_encoded(c, h, elem, deadline);
    }
    return rc != RN__NOT_READY ? rc : rn__chan_operate(c, (void *)elem, RN_SEND, deadline);
}

/* ---- receiving ---- */

/* Locked. */
QUICK bool receive_is_quick(struct handle *h)
{
    return h->fatal == 0 && h->in.len > 0 && h->in.first_ns == STORE_NEVER &&
           !(store_flags(&h->in) & (WIRE_HEADED | WIRE_DEAD)) && h->popped == h->finished &&
           rn__chan_first(h->chan, RN_RECV) == NULL;
}

/* Takes the oldest element if that is quick, and gives its place in the order of taking; else 0. */
static inline uint64_t receive_take(rn_chan *c, struct handle *h, struct store_item *item,
                                    uint8_t *room, size_t size)
{
    uint64_t number = 0;

    rn__lock(&c->lock);
    if (receive_is_quick(h)) {
        store_pop_copy(&h->in, item, room, size);
        number = ++h->popped;
    }
    handle_check_slowly(h);
    rn__unlock(&c->lock);
    return number;
}

/* Not in receive_finished(): to clear a parcel costs as much as all the rest. */
static __attribute__((noinline)) int receive_settle_slowly(struct handle *h, uint64_t number,
                                                           uint64_t delivery, int rc)
{
    struct parcel p = { .number = number, .delivery = delivery };

    rn_reached_if(rc < 0, "quick: an element does not decode");
    return receive_settle(h, &p, rc);
}

/* It was decoded, or not: rc.  As receive_settle(), whose turn has come. */
static inline int receive_finished(rn_chan *c, struct handle *h, uint64_t number, uint64_t delivery,
                                   int rc)
{
    if (rc < 0)
        return receive_settle_slowly(h, number, delivery, rc);
    rn__lock(&c->lock);
    rn_assert(h->finished + 1 == number);
    if (!TAILQ_EMPTY(&h->turns)) {
        rn__unlock(&c->lock);
        return receive_settle_slowly(h, number, delivery, rc);
    }
    h->finished = number;
    h->taken = delivery;
    if (!h->over)
        handle_changed(h);
    handle_check_slowly(h);
    rn__unlock(&c->lock);
    return 0;
}

/* place: for the delivery, if it is by hand, else NULL.  Used if that gives 0. */
static __attribute__((noinline)) int receive_with(rn_chan *c, struct handle *h,
                                                  struct delivery *place, void *elem)
{
    const struct rn_codec *codec = &h->side[RN_IN].codec;
    _Alignas(max_align_t) uint8_t decoded[ELEM_ON_STACK];
    uint8_t room[QUICK_ROOM];
    struct store_item item;
    uint64_t number = receive_take(c, h, &item, room, sizeof room);
    int rc;

    if (number == 0)
        return RN__NOT_READY;
    /* Beside the caller's element, which stays untouched on error. */
    rc = codec_decode(codec, item.frame, item.data, item.len, decoded);
    if (item.frame != NULL)
        frame_unref(item.frame);
    rc = receive_finished(c, h, number, item.delivery, rc);
    if (rc == RN__RETRY)
        return RN__NOT_READY; /* refused: it goes on as if that had never been there */
    if (rc < 0)
        return rc;
    if (rn__heirlooms_used())
        trace_received("");
    if (h->side[RN_IN].messages)
        message_hand_over((rn_msg *)decoded, item.position, item.deliveries, item.delivery, place);
    copy_bytes(elem, decoded, codec->elemsize);
    return 0;
}

/* An element that is its own bytes: taken and decoded at once, so that its turn has come when it is taken. */
QUICK int receive_flat(rn_chan *c, struct handle *h, void *elem, size_t size)
{
    struct frame *frame = NULL;
    uint64_t delivery = 0;

    rn__lock(&c->lock);
    if (receive_is_quick(h) && (delivery = store_take(&h->in, elem, size, &frame)) != 0) {
        rn_assert(TAILQ_EMPTY(&h->turns));
        h->finished = ++h->popped;
        h->taken = delivery;
        if (!h->over)
            handle_changed(h);
    }
    handle_check_slowly(h);
    rn__unlock(&c->lock);
    if (frame != NULL)
        frame_unref(frame);
    if (delivery == 0)
        return RN__NOT_READY;
    if (rn__heirlooms_used())
        trace_received("");
    return 0;
}

static __attribute__((noinline)) int receive_by_hand(rn_chan *c, struct handle *h, void *elem)
{
    struct delivery *place = hand_reserve(h->hand);
    int rc = place != NULL ? receive_with(c, h, place, elem) : RN__NOT_READY;

    if (rc != 0 && place != NULL)
        hand_spare(place);
    return rc;
}

int op_recv(rn_chan *c, void *elem, rn_time deadline)
{
    struct handle *h = rn__chan_bound(c);
    struct side *side = &h->side[RN_IN];
    int rc = RN__NOT_READY;

    receive_expect(h);
    if (elem != NULL && side_usable(side) && side->codec.elemsize <= ELEM_ON_STACK &&
        lease_is_long(h)) {
        users_note_goroutine(&side->users, rn__worker()->current);
        if (side->flat > 0)
            rc = receive_flat(c, h, elem, side->flat);
        else
            rc = side->by_hand ? receive_by_hand(c, h, elem) : receive_with(c, h, NULL, elem);
    }
    if (rc == RN__NOT_READY)
        return rn__chan_operate(c, elem, RN_RECV, deadline);
    if (rc == 0)
        rn__bump(&rn__worker()->counters.recvs);
    return rc;
}
