/* json.h - JSON, written to a descriptor without the heap.   SPDX-License-Identifier: MIT */
#ifndef RN__JSON_H
#define RN__JSON_H

#include <stddef.h>
#include <stdint.h>

struct rn__json {
    int fd;
    int rc; /* 0, or the first error of write(2), -errno: then nothing more is written */
    size_t used;
    char text[4096];
};

void rn__json_init(struct rn__json *j, int fd);
/* As it is: punctuation, keys. */
void rn__json_raw(struct rn__json *j, const char *text);
void rn__json_number(struct rn__json *j, int64_t n);
/* ns in microseconds, to three places. */
void rn__json_us(struct rn__json *j, int64_t ns);
void rn__json_hex(struct rn__json *j, uint64_t n);
/* Within a string: escaped; what is no UTF-8 becomes '?'. */
void rn__json_text(struct rn__json *j, const char *text);
/* What is still in the buffer; gives rc. */
int rn__json_end(struct rn__json *j);

#endif
