/* msg.h - rn_msg, for the other files of node/.   SPDX-License-Identifier: MIT */
#ifndef NODE_MSG_H
#define NODE_MSG_H

#include "node/runnel.h"
#include "proto/header.h"

struct delivery;

/* Is it rn_codec_msg, or a copy? */
bool msg_is_codec(const rn_codec *codec);

/* The Header that the element of m came with goes with the message: in d, the place of its delivery, or, if that is NULL, behind
 * the bytes.  To be called when m has been decoded and not handed over.  0 or -ENOMEM. */
int msg_carry(rn_msg *m, struct delivery *d, const struct wire_header *h);
/* What msg_carry() was given; NULL: nothing. */
const struct wire_header *msg_header(const rn_msg *m);

#endif
