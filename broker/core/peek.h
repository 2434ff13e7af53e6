/* peek.h - what lies in a channel, shown without being touched.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_PEEK_H
#define BROKER_CORE_PEEK_H

#include "broker/core/state.h"

#define PEEK_RUNS_MAX (UINT32_C(1) << 17) /* that one question makes us look at */

/* Answers a Peek.  0 or -ENOMEM. */
int peek_answer(struct core_session *s, const struct wire_control *c);

#endif
