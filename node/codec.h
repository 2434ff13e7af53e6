/* codec.h - what large elements are spared: copies.   SPDX-License-Identifier: MIT */
#ifndef NODE_CODEC_H
#define NODE_CODEC_H

#include "node/runnel.h"
#include "proto/frame.h"

#include <stdbool.h>

/* Instead of encoding: lends *out the element's own bytes, of which there are more than `large`, if to drop the element is to
 * free() them.  So who sends it may keep them instead, and leave an empty element behind. */
bool codec_lends(const rn_codec *codec, const void *elem, size_t large, rn_buf *out);
/* Decodes an element of len bytes, which is scattered in f.  As the codec's decode; -ENOMEM, too. */
int codec_gather(const rn_codec *codec, const struct frame *f, size_t len, void *elem);

#endif
