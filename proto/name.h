/* name.h - the grammar of channel names.   SPDX-License-Identifier: MIT */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

/* NULL when name is one that a user may bind: words of [A-Za-z0-9_-] joined by '.', 1 to WIRE_NAME_MAX
 * bytes, not reserved (`actor:`, `reply:`, `$sys.`, suffix `.dead`).  Otherwise a static phrase that
 * says what is wrong ("is empty", "has a character other than ...").  Pure. */
const char *name_fault(const char *name);

#endif
