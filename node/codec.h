/* codec.h - what large elements are spared: copies.   SPDX-License-Identifier: MIT */
#ifndef NODE_CODEC_H
#define NODE_CODEC_H

#include "node/runnel.h"
#include "proto/scatter.h"

#include <stdbool.h>

/* Is an element its own bytes, always as many?  So many, else 0: then it is copied, and nothing is called for it. */
size_t codec_flat(const rn_codec *codec, enum rn_dir dir);

/* Instead of encoding: lends *out the element's own bytes, of which there are more than `large`, if to drop the element is to
 * free() them.  So who sends it may keep them instead, and leave an empty element behind. */
bool codec_lends(const rn_codec *codec, const void *elem, size_t large, rn_buf *out);
int codec_gather(const rn_codec *codec, const struct frame *f, size_t len, void *elem);
/* Decodes an element of len bytes at data, or, if they are scattered in f, from there.  f may be NULL.  As the codec's decode;
 * -ENOMEM, too. */
static inline int codec_decode(const rn_codec *codec, const struct frame *f, const uint8_t *data,
                               size_t len, void *elem)
{
    if (f != NULL && frame_is_scattered(f))
        return codec_gather(codec, f, len, elem);
    return codec->decode(codec->ctx, data, len, elem);
}

#endif
