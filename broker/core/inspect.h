/* inspect.h - looking inside: the answers to Query.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_INSPECT_H
#define BROKER_CORE_INSPECT_H

#include "broker/core/state.h"

/* Answers a Query with as many Answers as it takes, each small enough for an envelope; a channel whose bindings do not
 * fit into one is repeated with the rest of them.  0 or -ENOMEM. */
int inspect_answer(struct core *core, struct core_session *s, const struct wire_control *query);

#endif
