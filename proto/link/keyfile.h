/* keyfile.h - files of keys: read and written.   SPDX-License-Identifier: MIT
 *
 * What is wrong is a sentence in why, which names the file; KEYFILE_WHY bytes are enough unless its name is very long. */
#ifndef PROTO_LINK_KEYFILE_H
#define PROTO_LINK_KEYFILE_H

#include "proto/key.h"

#define KEYFILE_WHY 512

/* The secret key in a file that nobody but its owner can read.  0; -EINVAL, -ENOMEM or why it cannot be read. */
int keyfile_read(const char *path, struct key *secret, char *why, size_t size);

/* A list of public keys.  The same results; it is yours, for key_list_free(). */
int keyfile_read_list(const char *path, struct key_list **out, char *why, size_t size);

/* Writes the secret key to path, for its owner alone, and the public one to path.pub; neither may be there already.  0 or
 * -errno, and then neither was made. */
int keyfile_write(const char *path, const struct key *public, const struct key *secret, char *why,
                  size_t size);

#endif
