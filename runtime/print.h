/* print.h - text for a descriptor when nothing else may be used.   SPDX-License-Identifier: MIT
 *
 * Async-signal-safe: no malloc, no stdio, no lock, little stack. */
#ifndef RN__PRINT_H
#define RN__PRINT_H

#include <stddef.h>
#include <stdint.h>

struct rn__print {
    int fd;
    size_t used;
    char text[256];
};

void rn__print_init(struct rn__print *p, int fd);
void rn__print_text(struct rn__print *p, const char *text);
void rn__print_bytes(struct rn__print *p, const char *text, size_t len);
void rn__print_number(struct rn__print *p, int64_t n);
void rn__print_pointer(struct rn__print *p, const void *pointer);

/* A length of time, to be read by people: "3.250 s", "12 ms". */
void rn__print_time(struct rn__print *p, int64_t ns);

/* Hands over what is still in the buffer. */
void rn__print_flush(struct rn__print *p);

#endif
