/* name.h - the grammar of channel names.   SPDX-License-Identifier: MIT */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include <stdbool.h>

#define NAME_DEAD ".dead" /* behind a channel's name: that of its dead letters */

/* NULL when name is one that a user may bind: words of [A-Za-z0-9_-] joined by '.', 1 to WIRE_NAME_GIVEN_MAX
 * bytes, not reserved (`actor:`, `reply:`, `$sys.`, suffix `.dead`).  Otherwise a static phrase that
 * says what is wrong ("is empty", "has a character other than ...").  Pure. */
const char *name_fault(const char *name);

/* The same for who receives: he may bind a channel's dead letters, too. */
const char *name_fault_in(const char *name);
/* Is it that of dead letters, if it is a name? */
bool name_is_dead(const char *name);

#endif
