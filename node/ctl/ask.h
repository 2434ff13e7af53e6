/* ask.h - asking the broker about one channel, and saying why there is no answer.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_ASK_H
#define NODE_CTL_ASK_H

#include "node/ctl/common.h"
#include "proto/wire.h"

/* Asks the broker about the channel that the question names, and has `answer` called with what it says; `verb`: "peek into".
 * CTL_OK, or CTL_FAILED and it has said why (nothing when a signal cancelled it). */
int ctl_ask(rn_node *node, const struct wire_control *question,
            void (*answer)(void *arg, const struct wire_control *answer), void *arg,
            const char *verb, const char *name, const struct ctl_opts *opts, rn_time deadline);

#endif
