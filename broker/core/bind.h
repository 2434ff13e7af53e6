/* bind.h - Bind: may it be, and what does it fix?   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_BIND_H
#define BROKER_CORE_BIND_H

#include "broker/core/state.h"

/* Answers a Bind with Bound or Refused.  0 or -EPROTO with *why. */
int bind_answer(struct core_session *s, const struct wire_control *c, const char **why);

#endif
