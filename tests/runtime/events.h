/* events.h - a file in Chrome's trace event format, read for tests.   SPDX-License-Identifier: MIT
 *
 * What is not JSON, and what breaks the rules of the format that viewers insist on, fails the test. */
#ifndef TESTS_RUNTIME_EVENTS_H
#define TESTS_RUNTIME_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct event {
    char kind; /* M, X, s, f */
    int process;
    int64_t track, id;
    int64_t begin_ns, end_ns; /* of an arrow's end both are the same */
    char name[64];
    char arg_name[64];  /* args.name, of M */
    char arg_until[64]; /* args.until */
    int64_t arg_chan;
};

struct events {
    struct event *of;
    size_t n;
    int64_t records, dropped;
};

/* Fails unless the file is there, is well-formed, and holds: slices of a track do not overlap; each arrow has one beginning
 * and, not before it, one end, which lie within slices of their tracks. */
void events_read(struct events *out, const char *path);
void events_free(struct events *e);

/* The track of the goroutine whose name begins so; fails when there is none. */
int64_t events_track(const struct events *e, const char *name);
/* How many arrows of that sort (wake, go, element) lead from the one track to the other. */
size_t events_arrows(const struct events *e, const char *what, int64_t from, int64_t to);
/* How many slices of the goroutine have that name. */
size_t events_slices(const struct events *e, int64_t track, const char *name);

#endif
