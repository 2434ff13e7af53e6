/* msg.c - rn_msg: raw bytes with their delivery, and what a program says of one.   SPDX-License-Identifier: MIT */
#include "node/msg.h"

#include "node/hand.h"
#include "node/node.h"
#include "node/op.h"
#include "node/trace.h"
#include "proto/dead.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* The delivery of a message that needs no acknowledgement, for it counted as taken when it was received: this one; or, if the
 * message has a Header, that with a mark.  A Header lies behind the bytes, so that whoever frees these has freed all. */
static struct delivery taken_already;
#define MARK 1u

static bool is_taken(const struct delivery *d)
{
    return d == &taken_already || (uintptr_t)d & MARK;
}

static int msg_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    const rn_msg *m = elem;
    return rn_buf_append(out, m->bytes.data, m->bytes.len);
}

static int msg_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    rn_msg *m = elem;
    *m = (rn_msg){ .delivery = &taken_already };
    return rn_bytes_new(&m->bytes, bytes, len);
}

/* What was sent is gone; its delivery is still to be acknowledged. */
static void msg_drop(const void *ctx, void *elem)
{
    (void)ctx;
    rn_msg *m = elem;
    rn_bytes_free(&m->bytes);
}

const rn_codec rn_codec_msg = {
    .elemsize = sizeof(rn_msg),
    .encode = msg_encode,
    .decode = msg_decode,
    .drop = msg_drop,
};

/* Aligned, behind len bytes. */
static size_t header_at(size_t len)
{
    size_t to = alignof(struct wire_header);
    return (len + to - 1) / to * to;
}

int msg_carry(rn_msg *m, struct delivery *d, const struct wire_header *h)
{
    if (d != NULL) {
        d->header = malloc(sizeof *h);
        if (d->header != NULL)
            *d->header = *h;
        return d->header != NULL ? 0 : -ENOMEM;
    }
    size_t at = header_at(m->bytes.len);
    uint8_t *data = realloc(m->bytes.data, at + sizeof *h);
    if (data == NULL)
        return -ENOMEM;
    memcpy(data + at, h, sizeof *h);
    m->bytes.data = data;
    m->delivery = data + at + MARK;
    return 0;
}

const struct wire_header *msg_header(const rn_msg *m)
{
    const struct delivery *d = m->delivery;
    if ((uintptr_t)d & MARK)
        return (const struct wire_header *)((uintptr_t)d - MARK);
    return d != NULL ? d->header : NULL;
}

const char *rn_msg_traceparent(const rn_msg *m)
{
    const struct wire_header *h = msg_header(m);
    return h != NULL && trace_is_valid(h->traceparent) ? h->traceparent : NULL;
}

bool msg_is_codec(const rn_codec *codec)
{
    return codec->decode == msg_decode;
}

static int msg_settle(rn_msg *m, enum wire_verdict verdict, int64_t delay_ns, const char *why)
{
    struct delivery *d = m->delivery;
    uint64_t delay_ms = delay_ns > 0 ? ((uint64_t)delay_ns + RN_MS - 1) / RN_MS : 0;
    rn_bytes_free(&m->bytes);
    m->delivery = NULL;
    if (node_forked())
        return -ESHUTDOWN;
    if (is_taken(d))
        return verdict == WIRE_DONE ? 0 : RN_ESTALE;
    return d != NULL ? hand_settle(d, verdict, delay_ms, why) : RN_ESTALE;
}

int rn_msg_ack(rn_msg *m)
{
    return msg_settle(m, WIRE_DONE, 0, NULL);
}

int rn_msg_nack(rn_msg *m, int64_t delay_ns)
{
    return msg_settle(m, WIRE_AGAIN, delay_ns, NULL);
}

int rn_msg_reject(rn_msg *m, const char *why)
{
    return msg_settle(m, WIRE_REJECTED, 0, why);
}

_Static_assert(RN_NAME_MAX > WIRE_NAME_MAX, "a name of the protocol has room");
_Static_assert(RN_WHY_MAX > WIRE_WHY_MAX, "so has a reason");
_Static_assert((int)RN_DEAD_DELIVERIES == WIRE_CAUSE_DELIVERIES, "as wire.h has it");
_Static_assert((int)RN_DEAD_REJECTED == WIRE_CAUSE_REJECTED, "as wire.h has it");
_Static_assert((int)RN_DEAD_REFUSED == WIRE_CAUSE_REFUSED, "as wire.h has it");

int rn_msg_dead(const rn_msg *m, rn_dead *dead)
{
    const struct delivery *d = m->delivery;
    struct wire_dead read;
    const uint8_t *element;
    size_t len;
    if (d == NULL || is_taken(d) || d->frame == NULL)
        return -ENOENT;
    int rc = dead_read(&read, d->head, d->head_size, &element, &len);
    if (rc < 0)
        return rc;
    *dead = (rn_dead){
        .cause = (enum rn_dead_cause)read.cause,
        .seq = read.position,
        .deliveries = read.deliveries,
        .died_ns = read.died_ms * RN_MS,
    };
    strcpy(dead->why, read.why);
    strcpy(dead->channel, read.channel);
    return 0;
}

int rn_msg_forward(rn_chan *out, rn_msg *m, rn_time deadline)
{
    struct handle *h = handle_of(out);
    if (h == NULL)
        return -EBADF;
    /* Acquire: as in a send, its codec is seen. */
    bool able = atomic_load_explicit(&h->side[RN_OUT].usable, memory_order_acquire);
    int rc = !able ? -EBADF : msg_is_codec(&h->side[RN_OUT].codec) ? 0 : -EINVAL;
    handle_unref(h);
    if (rc < 0)
        return rc;
    const struct wire_header *came = msg_header(m);
    const struct op_with with = {
        .traceparent = rn_msg_traceparent(m),
        .reply = came != NULL ? came->reply : NULL,
        .call = came != NULL ? came->call : 0,
    };
    return rn__chan_send_with(out, m, &with, deadline);
}

int rn_msg_decode(const rn_msg *m, const rn_codec *codec, void *elem)
{
    if (codec->decode == NULL)
        return -EINVAL;
    int rc = codec->decode(codec->ctx, m->bytes.data, m->bytes.len, elem);
    return rc < 0 ? rc : 0;
}
