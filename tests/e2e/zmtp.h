/* zmtp.h - what a DEALER says on a connection, as bytes, and ways to spoil it.   SPDX-License-Identifier: MIT
 *
 * ZMTP 3.0 with the mechanism NULL, as rfc.zeromq.org/spec/23 has it. */
#ifndef TESTS_E2E_ZMTP_H
#define TESTS_E2E_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *at;
    size_t n, cap;
};

void bytes_add(struct bytes *b, const void *data, size_t n);
void bytes_fini(struct bytes *b);

#define ZMTP_GREETING 64 /* bytes */

void zmtp_greeting(struct bytes *b);
void zmtp_ready(struct bytes *b, const char *identity); /* "": none */
void zmtp_ping(struct bytes *b, const uint8_t *context, size_t len);
/* One part; `more` says that others of its message follow. */
void zmtp_part(struct bytes *b, const uint8_t *data, size_t len, bool more);

/* Reads the message part or the command at data.  Its size in all, or 0: it is not all there yet. */
size_t zmtp_read(const uint8_t *data, size_t size, const uint8_t **body, size_t *len,
                 bool *is_command);

/* Random numbers of a seed. */
uint64_t chance(uint64_t *state, uint64_t below);

/* Spoils a piece of such a stream: bits, lengths, what is left out, cut off, said twice. */
void zmtp_spoil(struct bytes *b, uint64_t *state);

#endif
