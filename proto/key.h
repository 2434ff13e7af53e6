/* key.h - keys of encrypted links (CURVE), and the files that have them.   SPDX-License-Identifier: MIT
 *
 * As text a key is 40 characters of Z85 (ZeroMQ's RFC 32), among which are # and $, but no space, quote or comma; and # is
 * never the first.  A file is lines of words; blank lines, and those that begin with #, say nothing. */
#ifndef PROTO_KEY_H
#define PROTO_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 32
#define KEY_TEXT  40

struct key {
    uint8_t bytes[KEY_BYTES];
};

/* 0; -EMSGSIZE: not 40 characters; -EILSEQ: not Z85.  On error *out is untouched. */
int key_of_text(const char *text, size_t len, struct key *out);
/* Always terminated. */
void key_text(const struct key *k, char text[KEY_TEXT + 1]);

bool key_equal(const struct key *a, const struct key *b);

/* ---- what a file says; errors are a sentence in why, which names the line and never shows a key ---- */

/* The secret key in a key file's text: one line, "secret KEY".  0 or -EINVAL. */
int key_of_file(const char *text, size_t len, struct key *secret, char *why, size_t size);

/* Public keys, one a line, and after each, who it is, in any words. */
struct key_list;

/* 0 and the list, which is yours; -EINVAL or -ENOMEM. */
int key_list_new(const char *text, size_t len, struct key_list **out, char *why, size_t size);
void key_list_free(struct key_list *l);
size_t key_list_count(const struct key_list *l);
bool key_list_has(const struct key_list *l, const struct key *k);

#endif
