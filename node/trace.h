/* trace.h - trace contexts: which story an element, and a goroutine, is part of.   SPDX-License-Identifier: MIT
 *
 * A goroutine has a context of its own - set by hand, or inherited from who started it - and above that the one of the element
 * that it received last, until it receives one that has none.  What it sends on bound channels has the upper one. */
#ifndef NODE_TRACE_H
#define NODE_TRACE_H

#include "runtime/heirloom.h"

/* Is it a traceparent of W3C Trace Context, version 00?  Neither of its numbers is zero, nor has it capital letters. */
bool trace_is_valid(const char *traceparent);

/* The caller's context, until it changes; "": none. */
const char *trace_here(void);

/* The caller has received an element with that context; "": without one. */
void trace_received(const char *traceparent);

#endif
