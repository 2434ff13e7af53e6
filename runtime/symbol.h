/* symbol.h - what an address in this process is called.   SPDX-License-Identifier: MIT
 *
 * For reports of a program that may be broken: no malloc, no stdio, no lock of ours. */
#ifndef RN__SYMBOL_H
#define RN__SYMBOL_H

#include <stddef.h>

/* Writes "function+0x12 (file)" or, failing that, "file+0x1234" into out, always terminated and cut at size.
 * Static functions are found too while the file on disk still has its symbol table.  Never fails, opens
 * and maps a file, so it may be slow.  Any thread. */
void rn__symbol_name(const void *address, char *out, size_t size);

#endif
