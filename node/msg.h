/* msg.h - rn_msg, for the other files of node/.   SPDX-License-Identifier: MIT */
#ifndef NODE_MSG_H
#define NODE_MSG_H

#include "node/runnel.h"

/* Is it rn_codec_msg, or a copy? */
bool msg_is_codec(const rn_codec *codec);

#endif
