/* codec.h - what large elements are spared: copies.   SPDX-License-Identifier: MIT */
#ifndef NODE_CODEC_H
#define NODE_CODEC_H

#include "node/runnel.h"
#include "proto/frame.h"

/* Decodes an element of len bytes, which is scattered in f.  As the codec's decode; -ENOMEM, too. */
int codec_gather(const rn_codec *codec, const struct frame *f, size_t len, void *elem);

#endif
