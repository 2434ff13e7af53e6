/* tally.h - what the ledgers of all processes of an episode say together.   SPDX-License-Identifier: MIT */
#ifndef TESTS_E2E_TALLY_H
#define TESTS_E2E_TALLY_H

#include "tests/e2e/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A process and its past.  Its number is its place in the list. */
struct party {
    pid_t pid;
    bool sender;
    bool running; /* neither killed nor ended */
    bool killed;
    struct ledger *ledger;
    uint64_t seen; /* ledger->moved when it was last looked at */
};

struct tally {
    uint64_t sent;     /* sends that gave 0 */
    uint64_t taken;    /* receives */
    uint64_t distinct; /* different elements that were taken */
    uint64_t
        in_doubt; /* sends of which their senders were told that nobody knows, or that were killed first */
    uint64_t redelivered; /* taken again after the session that had taken it ended */
    uint64_t over;        /* sessions that ended while their process went on */
    uint64_t missing;     /* known to be accepted, and never taken */
    uint64_t doubled;     /* taken more than once by sessions that did not end */
    uint64_t ghosts;      /* taken although never sent, or although the send gave an error */
    uint64_t
        disordered;  /* taken before an older element of the same sender, by the only receiver */
    uint64_t uneven; /* redelivered although an element that was taken later was not */
    uint64_t kills;  /* of receivers: each may take one element with it that it could not note */
};

enum tally_rule {
    TALLY_HOME_LIVES,
    TALLY_HOME_DIES, /* what was accepted may be gone with the broker; there is one receiver */
};

/* 0, or -ENOMEM. */
int tally_count(struct tally *t, const struct party *parties, size_t n, enum tally_rule rule);

/* Adds one to another. */
void tally_add(struct tally *sum, const struct tally *t);

/* How many elements were taken under the handle after that time; entries before `from` need no look. */
uint64_t tally_late(const struct ledger *l, uint64_t from, uint32_t handle, int64_t after_ns);

#endif
