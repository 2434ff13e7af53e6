/* name.h - the grammar of channel names.   SPDX-License-Identifier: MIT */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include <stdbool.h>

#define NAME_DEAD  ".dead"  /* behind a channel's name: that of its dead letters */
#define NAME_REPLY "reply:" /* before a word: a channel that its maker has for replies */

/* NULL when name is one that a user may bind: words of [A-Za-z0-9_-] joined by '.', 1 to WIRE_NAME_GIVEN_MAX
 * bytes, not reserved (`actor:`, `$sys.`, suffix `.dead`); or `reply:` and one word.  Otherwise a static phrase that
 * says what is wrong ("is empty", "has a character other than ...").  Pure. */
const char *name_fault(const char *name);

/* The same for who receives: he may bind a channel's dead letters, too. */
const char *name_fault_in(const char *name);
/* Is it that of a reply channel, if it is a name? */
bool name_is_reply(const char *name);
/* Is it that of dead letters, if it is a name? */
bool name_is_dead(const char *name);

#endif
