/* crowd.h - a core among model nodes whose operations meet.   SPDX-License-Identifier: MIT
 *
 * A member does what a node does at a rendezvous, with numbers instead of goroutines.  Its operations are selects: each
 * has a few cases, a send or a receive each, and performs one of them at most.  While a case is negotiated the operation
 * is tentative; what is asked of the home is what waits and is not.  Messages go through pipes that the test moves.
 *
 * Every element carries its number in the world, so that it is known of each whether it was accepted, and how often it
 * was taken. */
#ifndef TESTS_CORE_CROWD_H
#define TESTS_CORE_CROWD_H

#include "broker/core/core.h"
#include "tests/core/row.h"

#define CROWD_CASES 3

struct crowd;
struct member;

/* An element that was taken under a delivery number. */
struct got {
    uint64_t number, element;
};

struct held_claim {
    uint64_t claim;
    struct wire_operation offer;
};

/* One direction of a handle. */
struct tie {
    struct member *member;
    uint32_t number;
    const char *name;
    enum wire_direction direction;
    bool bound, closed, unbinding, over;
    uint64_t incarnation;
    uint32_t epoch;
    int64_t capacity; /* 0: not known yet */

    int64_t asked,
        adjusted;          /* what the home believes to wait; what it has changed that by, in all */
    uint64_t sole;         /* as the home knows it */
    uint32_t calls;        /* OUT */
    uint64_t but;          /* OUT: the operation that they are not for */
    ROW(uint64_t) offered; /* OUT: the elements, by number - 1 */
    ROW(struct held_claim) held;
    ROW(struct wire_control) answers; /* IN: to claims, not said yet */
    ROW(struct got) got;              /* IN */
    uint64_t taken, taken_said;       /* IN */
};

struct crowd_case {
    struct tie *tie;
    uint64_t element; /* OUT */
    bool muted;       /* it was passed over: the home is not asked for it before it is open again */
};

struct crowd_op {
    uint64_t id;
    struct crowd_case cases[CROWD_CASES];
    uint32_t n_cases;
    int64_t deadline; /* ns; INT64_MAX: none */
    bool given_up;    /* it ends as soon as it may */

    int at;            /* the case that is tentative; -1: none.  Then: */
    uint64_t number;   /* of the offer, or of the claim */
    uint64_t delivery; /* IN: as Commit said; 0: not yet */
    bool withdrawn;
    bool talks; /* it was passed over elsewhere */
    bool asks;  /* OUT: its patient offer was turned away: it is to be called */
};

struct crowd_message {
    bool data;
    struct wire_control control;
    struct wire_section section;
    struct frame *frame;
};

struct member {
    struct crowd *crowd;
    struct core_session *session; /* NULL: over */
    uint8_t instance[16];
    bool frozen, ready;
    ROW(struct tie *) ties;
    ROW(struct crowd_op *) ops; /* in the order in which they began */
    ROW(struct crowd_message *) up, down;
};

struct crowd_element {
    uint64_t incarnation;
    struct wire_operation sender;
    bool accepted, known_taken, lost_report;
    uint32_t taken;
};

struct crowd {
    struct core *core;
    int64_t now;
    uint64_t random, ops; /* ops: how many have begun */
    ROW(struct member *) members;
    ROW(struct crowd_element) elements;
    ROW(uint64_t) cancelled; /* incarnations */
    bool overtake;           /* controls may pass sections, as far as they may */
    bool lazy;               /* nodes do several things before they say what follows */
    uint64_t bytes;          /* capacity_bytes of the channels */
    uint64_t moved;          /* messages that reached the core */
    uint64_t performed;      /* cases */
    long *
        fail_in; /* see alloc.h: while the core runs, this counts its requests of memory; NULL: not */
    long left;
};

struct crowd *crowd_new(uint64_t seed);
void crowd_free(struct crowd *c);
uint64_t crowd_below(struct crowd *c, uint64_t n);

/* A node enters; as the process of `again`, if that is not NULL, which has left.  NULL: no memory. */
struct member *member_new(struct crowd *c, const struct member *again);
void member_end(struct member *m); /* its session is over */
struct tie *tie_new(struct member *m, const char *name, enum wire_direction d, int64_t capacity);
bool tie_open(const struct tie *t); /* operations may use it */
void tie_unbind(struct tie *t);
void tie_close(struct tie *t, int32_t reason);

/* An operation on these ties, all of which are open and differ, begins. */
void op_begin(struct member *m, struct tie *const *ties, uint32_t n, int64_t deadline);
void op_give_up(struct member *m, struct crowd_op *op);
/* A receive that is tentative goes on as if it were not. */
void op_yield(struct member *m, struct crowd_op *op);

bool crowd_up(struct member *m);   /* one message reaches the core */
bool crowd_down(struct member *m); /* one message reaches the node */
void crowd_flush(struct crowd *c);
void crowd_tick(struct crowd *c, int64_t ms); /* so much time passes */
/* Moves messages until nothing moves.  false: it does not end. */
bool crowd_settle(struct crowd *c);

/* ---- between the world (crowd.c) and its nodes (member.c) ---- */
struct crowd_message *crowd_message_new(void);
void tie_say(struct tie *t, struct wire_control c);
void member_hear(struct tie *t, const struct wire_control *c);
void member_take(struct tie *t, const struct wire_section *s); /* an element came */
/* How many wait, of those that the home is asked for; if it is one that waits on the other side too, *sole is its number,
 * else 0. */
uint32_t tie_waiting(const struct tie *t, uint64_t *sole);
void member_work(struct member *m); /* does all that follows from what has happened */

/* ---- looking ---- */
/* What is wrong, or NULL.  Always; and when nothing moves and everybody is awake. */
const char *crowd_fault(const struct crowd *c);
const char *crowd_standstill(const struct crowd *c);
/* Every accepted element was taken, unless it was cancelled. */
const char *crowd_loss(const struct crowd *c);

#endif
