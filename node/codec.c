/* codec.c - the elements that everybody needs: numbers, bytes, protobuf messages.   SPDX-License-Identifier: MIT
 *
 * Decoders check the length before they write: an element of another size is -EBADMSG, never a guess. */
#include "node/buf.h"
#include "node/codec.h"
#include "proto/copy.h"
#include "proto/large.h"
#include "proto/limits.h"

#include <endian.h>
#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>

static int word_encode(uint64_t word, rn_buf *out)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> (8 * i));
    return rn_buf_append(out, bytes, sizeof bytes);
}

static int word_decode(const uint8_t *bytes, size_t len, uint64_t *word)
{
    if (len != 8)
        return -EBADMSG;
    uint64_t w = 0;
    for (int i = 0; i < 8; i++)
        w |= (uint64_t)bytes[i] << (8 * i);
    *word = w;
    return 0;
}

static int int64_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    uint64_t word;
    memcpy(&word, elem, sizeof word);
    return word_encode(word, out);
}

/* An int64_t and a double are both 64 bits whose order on the wire is fixed: one decoder serves. */
static int word64_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    uint64_t word;
    int rc = word_decode(bytes, len, &word);
    if (rc == 0)
        memcpy(elem, &word, sizeof word);
    return rc;
}

const rn_codec rn_codec_int64 = {
    .type = "int64",
    .elemsize = sizeof(int64_t),
    .encode = int64_encode,
    .decode = word64_decode,
};

_Static_assert(sizeof(double) == 8, "double is IEEE 754 binary64");

const rn_codec rn_codec_double = {
    .type = "double",
    .elemsize = sizeof(double),
    .encode = int64_encode,
    .decode = word64_decode,
};

/* ---- structs: the codec's context is their size ---- */

static int struct_encode(const void *ctx, const void *elem, rn_buf *out)
{
    return rn_buf_append(out, elem, (uintptr_t)ctx);
}

static int struct_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    if (len != (uintptr_t)ctx)
        return -EBADMSG;
    copy_bytes(elem, bytes, len);
    return 0;
}

rn_codec rn_codec_struct(const char *type, size_t size)
{
    return (rn_codec){
        .type = type,
        .elemsize = size,
        .ctx = (const void *)size,
        .encode = struct_encode,
        .decode = struct_decode,
    };
}

static size_t flat_size(const rn_codec *codec, bool structs, bool words)
{
    if (structs && (uintptr_t)codec->ctx == codec->elemsize)
        return codec->elemsize;
    return words && le64toh(1) == 1 && codec->elemsize == sizeof(uint64_t) ? sizeof(uint64_t) : 0;
}

size_t codec_flat(const rn_codec *codec, enum rn_dir dir)
{
    if (codec->drop != NULL)
        return 0;
    return dir == RN_OUT
               ? flat_size(codec, codec->encode == struct_encode, codec->encode == int64_encode)
               : flat_size(codec, codec->decode == struct_decode, codec->decode == word64_decode);
}

int rn_bytes_new(rn_bytes *b, const void *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        return -ENOMEM;
    if (data != NULL)
        large_copy(copy, data, len);
    *b = (rn_bytes){ .data = copy, .len = len };
    return 0;
}

void rn_bytes_free(rn_bytes *b)
{
    if (b == NULL)
        return;
    free(b->data);
    *b = (rn_bytes){ 0 };
}

static int bytes_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    const rn_bytes *b = elem;
    if (out->lent && b->len > out->cap - out->len)
        return -ENOBUFS; /* a quick send's room: it would be for nothing */
    return rn_buf_append(out, b->data, b->len);
}

static int bytes_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    return rn_bytes_new(elem, bytes, len);
}

static void bytes_drop(const void *ctx, void *elem)
{
    (void)ctx;
    rn_bytes_free(elem);
}

const rn_codec rn_codec_bytes = {
    .type = "bytes",
    .elemsize = sizeof(rn_bytes),
    .encode = bytes_encode,
    .decode = bytes_decode,
    .drop = bytes_drop,
};

bool codec_lends(const rn_codec *codec, const void *elem, size_t large, rn_buf *out)
{
    if (codec->encode != bytes_encode || codec->drop != bytes_drop)
        return false;
    const rn_bytes *b = elem;
    if (b->len <= large || b->len > WIRE_ELEMENT_MAX)
        return false;
    buf_fini(out);
    *out = (rn_buf){ .data = b->data, .len = b->len, .cap = b->len, .lent = true };
    return true;
}

int codec_gather(const rn_codec *codec, const struct frame *f, size_t len, void *elem)
{
    rn_bytes b;
    int rc = rn_bytes_new(&b, NULL, len);
    if (rc < 0)
        return rc;
    scatter_copy(f, b.data);
    if (codec->decode == bytes_decode) {
        memcpy(elem, &b, sizeof b);
        return 0;
    }
    rc = codec->decode(codec->ctx, b.data, b.len, elem);
    rn_bytes_free(&b);
    return rc;
}

static int message_encode(const void *ctx, const void *elem, rn_buf *out)
{
    const ProtobufCMessage *message = *(ProtobufCMessage *const *)elem;
    if (message == NULL || message->descriptor != ctx)
        return -EINVAL;
    int rc = 0;
    uint8_t *at = buf_extend(out, protobuf_c_message_get_packed_size(message), &rc);
    if (at == NULL)
        return rc;
    protobuf_c_message_pack(message, at);
    return 0;
}

static int message_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(ctx, NULL, len, bytes);
    if (message == NULL)
        return -EBADMSG;
    *(ProtobufCMessage **)elem = message;
    return 0;
}

static void message_drop(const void *ctx, void *elem)
{
    (void)ctx;
    protobuf_c_message_free_unpacked(*(ProtobufCMessage **)elem, NULL);
}

rn_codec rn_codec_protobuf(const struct ProtobufCMessageDescriptor *type)
{
    return (rn_codec){
        .type = type->name,
        .elemsize = sizeof(ProtobufCMessage *),
        .ctx = type,
        .encode = message_encode,
        .decode = message_decode,
        .drop = message_drop,
    };
}
