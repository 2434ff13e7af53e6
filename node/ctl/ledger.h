/* ledger.h - the ledger of a channel's home, in words.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_LEDGER_H
#define NODE_CTL_LEDGER_H

#include "proto/wire.h"

/* What became of the elements that were accepted: a name and a number for each class. */
struct ledger_class {
    const char *name, *key; /* for people; in JSON */
    uint64_t n;
};
#define LEDGER_CLASSES 11

/* In the order in which they are told. */
void ledger_classes(struct ledger_class out[LEDGER_CLASSES], const struct wire_channel_info *c);

/* Prints "accepted 9 = taken 5 + buffered 4": the classes that hold something.  Gives their sum, which accepted and copied together
 * must be. */
uint64_t ledger_print(const struct wire_channel_info *c);

#endif
