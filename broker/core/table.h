/* table.h - uthash, made to report that memory ran out instead of ending the program.   SPDX-License-Identifier: MIT
 *
 * A thing that goes into a table has a `bool unhashed`, false before; true after an add that failed. */
#ifndef BROKER_CORE_TABLE_H
#define BROKER_CORE_TABLE_H

#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(thing) ((thing)->unhashed = true)
#include <uthash.h>

#endif
