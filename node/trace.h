/* trace.h - trace contexts: which story an element, and a goroutine, is part of.   SPDX-License-Identifier: MIT */
#ifndef NODE_TRACE_H
#define NODE_TRACE_H

#include <stdbool.h>

/* Is it a traceparent of W3C Trace Context, version 00?  Neither of its numbers is zero, nor has it capital letters. */
bool trace_is_valid(const char *traceparent);

#endif
