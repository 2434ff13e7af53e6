/* home.h - a broker of a test's own: it gives what it is told to give, says what it is told to say, and keeps what it
 * hears.   SPDX-License-Identifier: MIT
 *
 * It serves one node with one binding in each direction and brings operations into states that a real broker passes in
 * no time.  A goroutine of its own reads and writes; the test sets the fields, and home_wake()s it if that lets it say
 * something. */
#ifndef TESTS_NODE_HOME_H
#define TESTS_NODE_HOME_H

#include "proto/link/session.h"
#include "tests/node/cluster.h"

#define HOME_THINGS_MAX 64

/* What it knows of a binding; by direction. */
struct home_binding {
    uint32_t number; /* 0: none */
    uint32_t waiting;
    uint32_t binds, unbinds, closes; /* not answered yet */
    uint32_t unbound;                /* answered */
    int close_reason;
    uint64_t lent, received, accepted; /* OUT, in elements */
    uint64_t delivered, taken;         /* IN; the last delivery numbers */
    uint64_t returned;                 /* IN: elements given back */
};

struct home {
    /* To be set. */
    bool binds;      /* answers Bind ... */
    bool unbinds;    /* ... and Unbind */
    uint32_t credit; /* so much may still be lent to who asks */
    bool accepts;    /* says Accepted of all that has come */
    bool closes;     /* answers Close */
    uint32_t things; /* so many are to be delivered to the receiver as soon as it is bound */

    struct home_binding of[2]; /* by enum wire_direction */
    int came[HOME_THINGS_MAX]; /* by the number of the thing: how often it came */
    uint32_t sessions;         /* that were opened */

    struct link *link;
    link_peer peer;
    struct session *session; /* NULL: none */
    rn_chan *done;
    bool stopping;
};
extern struct home home;

void home_open(void); /* as "broker"; nothing is to be set yet */
void home_close(void);
void home_wake(void);
/* Says it of the binding of that direction. */
void home_say(enum wire_direction direction, struct wire_control *c);
/* Lends credit for n elements of 8 bytes that nobody has asked for. */
void home_lend(uint32_t n);
/* What it owes is given from now on: answers, credit, acceptance. */
void home_generous(void);

#endif
