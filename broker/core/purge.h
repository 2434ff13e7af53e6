/* purge.h - what is in a channel, or the channel with it, dropped on somebody's word.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_PURGE_H
#define BROKER_CORE_PURGE_H

#include "broker/core/state.h"

/* Answers a Purge, a Remove. */
void purge_answer(struct core_session *s, const struct wire_control *c);
void remove_answer(struct core_session *s, const struct wire_control *c);

#endif
