/* msg.c - rn_msg: raw bytes with their delivery, and what a program says of one.   SPDX-License-Identifier: MIT */
#include "node/msg.h"

#include "node/hand.h"
#include "node/node.h"
#include "proto/dead.h"

#include <string.h>

/* Whose delivery needs no acknowledgement: it counted as taken when it was received. */
static struct delivery taken_already;

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
    if (d == &taken_already)
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
    if (d == NULL || d->frame == NULL)
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

int rn_msg_decode(const rn_msg *m, const rn_codec *codec, void *elem)
{
    if (codec->decode == NULL)
        return -EINVAL;
    int rc = codec->decode(codec->ctx, m->bytes.data, m->bytes.len, elem);
    return rc < 0 ? rc : 0;
}
