/* harness.h - a core with model nodes around it, joined by pipes that the test moves.   SPDX-License-Identifier: MIT
 *
 * A node does what a real one does, with numbers instead of goroutines: sends wait for credit, receives wait for
 * elements, what is taken is reported, what is recalled is given back.  Elements carry a number that the world gives
 * out, so that it knows of each one whether it was accepted, taken, and by whom.  Every other section of a sender has the
 * flag HEADED, which must come out with the element, whatever becomes of it.
 *
 * Controls and sections travel in order among themselves; world_pump() moves all until nothing moves. */
#ifndef TESTS_CORE_HARNESS_H
#define TESTS_CORE_HARNESS_H

#include "broker/core/core.h"
#include "proto/dead.h"
#include "proto/piece.h"
#include "tests/core/ending.h"
#include "tests/core/row.h"

#include <stddef.h>

struct world;
struct node;

struct stored {
    uint64_t number, id, position;
    uint32_t deliveries;
    int64_t expires_ms;    /* 0: never */
    struct wire_dead dead; /* of a dead letter */
};

struct send {
    uint64_t id;
    size_t size;
    uint64_t delay_ms, ttl_ms, together;
};

/* One direction of a handle at a node. */
struct handle {
    struct node *node;
    uint32_t number;
    enum wire_direction direction;
    char name[64];
    bool bound, opened, refused, closed, failing, unbinding, unbound;
    bool removed;        /* with its channel, be that known here or not */
    enum wire_code code; /* of Refused, Closed or a closing Recall */
    int32_t reason;
    char sentence[1100];
    uint64_t incarnation;
    uint32_t epoch;
    struct wire_attributes attributes; /* type: points to type */
    char type[256];
    bool autoclose; /* asked for, and not gone */
    uint32_t senders_min;
    bool reply; /* its bind makes a reply channel */
    uint64_t
        home_incarnation; /* of what the home has bound it to, be that known here or not; 0: nothing */
    uint64_t arrived;     /* OUT: elements that have reached the home */

    ROW(struct send) sends; /* OUT: waiting */
    uint64_t credit, credit_bytes, sent, accepted;
    ROW(struct stored) store; /* IN: not taken */
    uint32_t receives;        /* IN: waiting */
    bool hoards;              /* IN: takes only for receives; gives back when asked */
    uint32_t prefetch;        /* IN, as it was stated */
    bool by_hand;             /* IN: acknowledges by hand, ... */
    ROW(struct stored) hand;  /* ... and has not yet */
    uint64_t taken, taken_number, taken_said, last_position, seen, expired;
    bool in_order;          /* the positions of what was taken only grew */
    ROW(struct stored) got; /* what the receives got */
    struct assembly coming;

    uint64_t lost,
        missed; /* IN, of a fanout: dropped here for being slow, and by the home as it says */
    bool cut;

    uint32_t asked;
    bool ask_again;
    uint32_t n_asks, n_credits, n_recalls, n_sections_in, n_sections_out;
};

#define RANGES_MAX 64

struct message {
    bool data;
    uint32_t bind;
    struct wire_control control; /* strings and arrays: ours */
    struct wire_section section;
    struct wire_section whole; /* the last piece of an element: that */
    struct frame *frame;
    char text[1100], type[256];
    struct wire_range ranges[RANGES_MAX];
    struct wire_channel_info info; /* the first of an Answer, ... */
    struct wire_tap_info tap;      /* ... and its first tap */
    struct wire_element *elements; /* of an Answer: ours, with their bytes behind them */
};

struct node {
    struct world *world;
    struct core_session *session;
    char name[32];
    bool frozen; /* nothing moves from or to it */
    bool ready;
    uint32_t next_bind;
    ROW(struct handle *) handles;
    ROW(struct message *) up, down; /* the pipes */
    struct message *answer;         /* the last Answer that came */
};

/* What the world knows of an element. */
struct element {
    uint64_t incarnation;
    bool accepted, known_taken, lost_report;
    uint32_t flags;            /* of the section that it was sent in */
    int64_t from_ns, until_ns; /* accepted: when it may be received; INT64_MAX: for ever */
    uint32_t taken;
};

struct world {
    struct core *core;
    int64_t now;
    uint64_t random;
    ROW(struct node *) nodes;
    ROW(struct element) elements;
    ROW(uint64_t) cancelled; /* incarnations */
    ROW(struct ending) endings;
    const char *why; /* of the last -EPROTO */
    int rc;          /* the last result of the core */
    bool overtake;   /* controls may pass sections in the pipes */
    uint64_t max_pull;
    bool removals;   /* a channel was removed while it was bound */
    bool mortal;     /* elements may die: so nobody knows what was drained */
    bool fans;       /* there are fanouts: so it is not taken once what is sent once */
    uint64_t purged; /* elements, as the core has said */
};

/* Both sides of worlds to come cut elements of more than four times so many bytes into pieces; 0: as they do by themselves. */
extern uint32_t world_piece_bytes;
/* See core_opts. */
extern int64_t world_fold_ns;

struct world *world_new(uint64_t seed);
void world_free(struct world *w);
uint64_t world_random(struct world *w, uint64_t below);

struct node *node_new(struct world *w, const char *name);
void node_end(struct node *n);   /* its session is over; handles stay to be looked at */
void node_leave(struct node *n); /* the same, after a Goodbye */

/* Sends Bind; the answer comes with the pump. */
struct handle *bind_with(struct node *n, const char *name, enum wire_direction d,
                         const struct wire_attributes *a, uint32_t prefetch);
struct handle *bind_in(struct node *n, const char *name, int64_t capacity);
struct handle *bind_out(struct node *n, const char *name, int64_t capacity);
struct handle *bind_by_hand(struct node *n, const char *name, int64_t capacity, uint32_t prefetch);
/* A node of its own binds "x", a fanout. */
struct handle *bind_fan(struct world *w, enum wire_direction d, enum wire_slow slow,
                        int64_t capacity, uint32_t prefetch);
/* With autoclose; one that sends. */
struct handle *bind_closing(struct node *n, const char *name, const struct wire_attributes *a,
                            uint32_t senders_min);
/* Makes a reply channel. */
struct handle *bind_reply(struct node *n, const char *name, enum wire_direction d,
                          const struct wire_attributes *a);
void handle_unbind(struct handle *h);
void handle_abandon(struct handle *h); /* as a node does for a bind that nobody waited for */
void handle_close(struct handle *h, int32_t reason);

void sends(struct handle *h, uint32_t n,
           size_t size); /* n more sends wait, of elements of that size (>= 8) */
void sends_timed(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms, uint64_t ttl_ms);
void sends_together(struct handle *h, uint32_t n, size_t size, uint64_t delay_ms,
                    uint64_t together);
void receives(struct handle *h, uint32_t n); /* n more receives wait */
void give_up(struct handle *h);              /* all that waits is withdrawn */
/* Of what is in its hands, from the i-th on: one Settle.  What is acknowledged is in `got` from then on. */
void settles(struct handle *h, enum wire_verdict verdict, size_t i, size_t n, uint64_t delay_ms);
/* The i-th, the i+2nd ... n of them. */
void settles_every_other(struct handle *h, enum wire_verdict verdict, size_t i, size_t n);
void say(struct node *n, const struct wire_control *c); /* any control, into the pipe */

bool move_up(struct node *n); /* one message from the node to the core; false: none */
bool move_down(struct node *n);
void flush(struct world *w); /* core_flush, then each ready session is pulled from */
void pull(struct node *n);
void world_pump(struct world *w); /* until nothing moves; checks the core at each step */
void world_later(struct world *w,
                 int64_t ms); /* lets time pass, with ticks when they are due, and pumps */

uint64_t world_waiting(const struct world *w); /* sends that wait, of live handles */
/* What is wrong with the elements' histories, or NULL: lost, doubled, taken but never sent. */
const char *world_fault(const struct world *w);

#endif
