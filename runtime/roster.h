/* roster.h - every goroutine as it was a moment ago: what it is, what it waits for, where it is.
 *   SPDX-License-Identifier: MIT
 *
 * Nobody is stopped for it.  Each goroutine is seen as it was at one moment, but not all at the same; who starts or ends
 * meanwhile may be missing. */
#ifndef RN__ROSTER_H
#define RN__ROSTER_H

#include "runtime/frames.h"
#include "runtime/g.h"

#include <stddef.h>

struct rn__seen {
    uint64_t id;
    const struct rn__g *g; /* to be compared only: it may be gone */
    rn_time seen_ns;       /* when; rn_now() clock, as since_ns */
    enum rn__g_state state;
    /* RN__G_WAITING: */
    enum rn__why why;
    const void *object;
    int64_t since_ns;
    bool system;
    char name[RN__NAME_MAX];
    struct rn__frames frames; /* none of who runs, or was woken while we looked */
    uint32_t first_case;      /* the channels it waits in, one for each case: see rn__seen_case() */
    uint32_t n_cases;
};

struct rn__roster {
    struct rn__seen *seen; /* ascending by id */
    size_t n, room;
    size_t missed;    /* so many started while we looked, and there was no room for them */
    uintptr_t *cases; /* a channel each, 1 added when it is a send */
    size_t n_cases;
    size_t size; /* of the mapping that all this lies in */
};

/* Fills the roster: 0, or -ENOMEM.  Does not use the heap; keeps goroutines from ending for some microseconds at a time.
 * Any thread. */
int rn__roster_take(struct rn__roster *r);
void rn__roster_drop(struct rn__roster *r);

/* The channel of its i-th case, to be compared only, and in *kind what it wants to do there. */
const rn_chan *rn__seen_case(const struct rn__roster *r, const struct rn__seen *s, uint32_t i,
                             enum rn_op *kind);

/* The goroutine of that id, or NULL. */
const struct rn__seen *rn__roster_find(const struct rn__roster *r, uint64_t id);

/* For people: "chan send", "sleep". */
const char *rn__why_text(enum rn__why why);

#endif
