/* stage.h - a core that is spoken to word for word, for what is said at a rendezvous.   SPDX-License-Identifier: MIT
 *
 * Nobody here does anything by itself: a test says what each node says, and hears what each is told, as text.  An end is
 * one binding.  Events change the core's state only; heard() flushes it and gives what the end was told since the last
 * time:
 *
 *     OUT   call 1 [but 7] | commit 1 | abort 1 | abort 1 asks | recall closing
 *     IN    claim 1 of a7 | commit claim 1 as 1 | abort claim 1 [asks] | element 1 'x' at 1 [headed] [deliveries 2] | opened
 *     both  closed | failed -5 | cancelled -7 | unbound | refused | removed | 3 dropped | shown 1 at 1
 *
 * with "; " between.  "a7" is operation 7 of the process a; what was given back is "of nobody".  What the core changes an
 * end's count of those who wait by is summed up here, so that an Ask has seen all that was said before it - unless the
 * test says otherwise. */
#ifndef TESTS_CORE_STAGE_H
#define TESTS_CORE_STAGE_H

#include "broker/core/core.h"

#define STAGE_PEERS 8
#define STAGE_ENDS  8 /* of a peer */

struct stage;
struct peer;

struct end {
    struct peer *peer; /* NULL: none */
    uint32_t number;
    enum wire_direction direction;
    uint64_t incarnation;
    uint32_t epoch;
    uint64_t offered; /* the number of its last offer */
    int64_t adjusted; /* by claims, calls and aborts, in all */
    uint32_t tap;     /* that the last answer was about */
    char told[1024];
};

/* A node, and its session. */
struct peer {
    struct stage *stage; /* NULL: none */
    struct core_session *session;
    char name; /* and all bytes of its instance */
    bool ready;
    struct end ends[STAGE_ENDS];
};

struct stage {
    struct core *core;
    int64_t now;
    uint64_t random;
    const char *why; /* of the last -EPROTO */
    struct peer peers[STAGE_PEERS];
};

/* A cmocka test whose *state is a new stage; at its end what is left on it is checked. */
#define on_stage(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)
int stage_setup(void **state);
int stage_teardown(void **state);

struct peer *enters(struct stage *t, char name);
void leaves(struct peer *p); /* its session is over */
/* Time passes, with ticks when they are due.  Who is not `awake` says nothing all the while; NULL: nobody is. */
void passes(struct stage *t, int64_t ms, struct peer *awake);

struct end *binds(struct peer *p, const char *channel, enum wire_direction d,
                  const struct wire_attributes *a);
/* A new node that sends (with capacity 0 stated) or receives (with nothing stated) on the channel "x". */
struct end *sender(struct stage *t, char name);
struct end *receiver(struct stage *t, char name);

/* Any control and any section: the core's result. */
int tells(struct end *e, struct wire_control c);
int shows(struct end *e, struct wire_section s, const char *text);

/* These assert that the core takes it. */
void asks(struct end *e, uint32_t waiting);
/* One waits, the operation of this number, and that waits on the other side too. */
void asks_alone(struct end *e, uint64_t operation);
/* On its way it crosses what changes the count by `unseen`. */
void asks_crossing(struct end *e, uint32_t waiting, int64_t unseen);
void asks_alone_crossing(struct end *e, uint64_t operation, int64_t unseen);
void offers(struct end *e, uint64_t operation, const char *text); /* a patient one */
void comes(struct end *e, uint64_t operation, const char *text);  /* one that was called for */
void offers_within(struct end *e, uint64_t operation, const char *text, uint32_t ms);
void withdraws(struct end *e, uint64_t number);
void returns(struct end *e, uint32_t calls);
void accepts(struct end *e, uint64_t claim);
void refuses(struct end *e, uint64_t claim);
void takes(struct end *e, uint64_t number);
void closes(struct end *e, int32_t reason);
void unbinds(struct end *e);
/* The channel "x", purged or, by force, removed; the answer is heard by e. */
void purges(struct end *e);
void removes(struct end *e);

/* Flushes; good until the next call. */
const char *heard(struct end *e);
#define hears(e, text) assert_string_equal(heard(e), text)

#endif
