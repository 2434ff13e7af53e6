/* hostile.h - a node that knows the protocol and keeps to it as its input pleases.   SPDX-License-Identifier: MIT
 *
 * It notes what the broker tells it - incarnations, credit, claims, delivery numbers - so that what it says can be right,
 * or wrong by one, or anything: a broker that refuses nonsense at its door is still asked the questions behind it. */
#ifndef TESTS_FUZZ_HOSTILE_H
#define TESTS_FUZZ_HOSTILE_H

#include "proto/frame.h"
#include "tests/fuzz/input.h"

#include <stdbool.h>

#define HOSTILE_BINDS    6   /* that it remembers */
#define HOSTILE_BODY_MAX 800 /* bytes of a section's body */

struct hostile_binding {
    uint32_t number; /* 0: none */
    enum wire_direction direction;
    bool meets, by_hand;
    uint64_t incarnation;
    uint32_t epoch;
    uint64_t sent;      /* the last number of an element */
    uint64_t credit;    /* elements */
    uint64_t whole, at; /* bytes of an element that it sends in pieces, and those that it has */
    uint64_t claim;     /* the last that came */
    uint64_t delivery;  /* so */
    uint64_t taken;
    bool recall; /* one is not answered, of so many elements (IN) */
    uint32_t recalled;
    int64_t adjusted; /* by what the broker has changed how many wait */
};

struct hostile {
    uint32_t last_bind;
    uint32_t inquiry; /* the last Inspect's */
    struct hostile_binding of[HOSTILE_BINDS];
};

/* The names that it uses, NULL at the end; whoever is honest uses others. */
extern const char *const hostile_names[];

/* What the broker tells it. */
void hostile_hear(struct hostile *h, const struct wire_control *c);
void hostile_get(struct hostile *h, const struct wire_section *s);

/* What it says next.  Strings are static; what is here can be packed. */
void hostile_control(struct hostile *h, struct input *in, struct wire_control *c);

/* What it sends next: sound in itself, so that it can be decoded.  The body is borrowed until the next call. */
void hostile_section(struct hostile *h, struct input *in, struct wire_section *s);

#endif
