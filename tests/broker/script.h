/* script.h - a node of a test's own, which says what it is told to and keeps what it hears.
 *   SPDX-License-Identifier: MIT */
#ifndef TESTS_BROKER_SCRIPT_H
#define TESTS_BROKER_SCRIPT_H

#include "proto/frame.h"
#include "proto/link/link.h"
#include "proto/link/session.h"
#include "tests/check.h"

#define SCRIPT_HEARD_MAX 4096
#define SCRIPT_BINDS     4 /* it knows what it has of bindings with lower numbers only */

struct script {
    const char *url;
    const char *name; /* in its Hello; NULL: "script" */
    struct link *link;
    link_peer peer;
    struct session *session; /* NULL before the first Welcome */
    uint64_t id;
    uint8_t instance[16];
    int64_t lease_ms; /* to be asked for */

    struct wire_welcome welcome; /* the last */
    struct wire_refusal refusal; /* the last; code WIRE_OK: none since the last Hello */
    char sentence[1025];
    bool down; /* LINK_DOWN came */

    struct {
        uint64_t incarnation;
        uint32_t epoch;
        uint64_t credit, credit_bytes; /* OUT: unused */
    } bound[SCRIPT_BINDS];

    /* What came, in order.  The frames are kept, so that strings and bodies live. */
    struct wire_control controls[SCRIPT_HEARD_MAX];
    struct wire_section sections[SCRIPT_HEARD_MAX];
    struct frame_view views[SCRIPT_HEARD_MAX];
    struct frame *frames[SCRIPT_HEARD_MAX];
    size_t n_controls, n_sections, n_frames;
    size_t controls_at, sections_at; /* so far looked at */
};

/* Runs fn in simulations, under the seeds 1 to 50, or $BROKER_SEED and those after it, $BROKER_RUNS in all; when one fails
 * it says which. */
void script_simulate(int (*fn)(void *arg));

/* Takes the link; opens no session yet. */
struct script *script_new(struct link *link, const char *url, uint8_t instance);
void script_free(struct script *n);

/* A new connection, and Hello on it: for a new session, or to resume the present one. */
void script_hello(struct script *n, bool resume);
/* The same, and waits for the Welcome, which must come. */
void script_open(struct script *n);
void script_resume(struct script *n);

/* Sends any frame as it is. */
void script_send(struct script *n, struct frame *f);

/* Says a control, or n elements in a section, in the session. */
void script_say(struct script *n, const struct wire_control *c);
void script_elements(struct script *n, uint32_t bind, uint64_t number, uint32_t count, size_t len);

/* Lets time pass up to deadline.  In this as in all that waits the node answers what it must: it acknowledges, and returns
 * the credit that is recalled, but no elements. */
void script_run(struct script *n, rn_time deadline);

/* Waits until the binding may send an element of so many bytes, and says how many of them it may. */
uint32_t script_credit(struct script *n, uint32_t bind, size_t len);

/* Waits for the next control of that kind and gives it; others before it are passed over. */
const struct wire_control *script_expect(struct script *n, enum wire_what what);
/* The same for sections and for a refusal. */
const struct wire_section *script_expect_section(struct script *n);
void script_expect_refusal(struct script *n, enum wire_code code);

/* Common sayings: binds and waits for Bound, and gives the incarnation. */
uint64_t script_bind(struct script *n, uint32_t bind, const char *name,
                     enum wire_direction direction, int64_t capacity);
/* Asks for so many elements. */
void script_ask(struct script *n, uint32_t bind, uint32_t waiting, uint64_t bytes);
void script_taken(struct script *n, uint32_t bind, uint64_t number);

#endif
