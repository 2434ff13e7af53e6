/* oracle.h - what must be true of the elements of a run, whatever happened to them.   SPDX-License-Identifier: MIT
 *
 * The program of a run tells the oracle what it tried, what it was answered and what it received; the oracle finds
 * what the semantics do not allow.  A finding ends the process with the seed and the command that replays it. */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fate {
    FATE_TRYING,   /* the send has not returned */
    FATE_SENT,     /* it gave 0 */
    FATE_DOUBT,    /* it gave RN_EUNKNOWN, or 0 on a handle that failed before it was confirmed */
    FATE_NOT_SENT, /* any other result: nothing was sent */
};

struct oracle;

struct oracle *oracle_new(int channels);
void oracle_free(struct oracle *o);

/* A sender's next element.  `order` (growing per sender) is its place among what that sender sends. */
uint32_t oracle_try(struct oracle *o, int channel, int sender, uint32_t order);
void oracle_fate(struct oracle *o, uint32_t element, enum fate fate);

/* Handles that receive: a receipt belongs to one, and its session may end.  `alone`: it is the channel's only receiver, and
 * one goroutine receives on it, so that elements must come in order: what is recalled from a slow receiver and handed
 * to another may come after what that one already had. */
uint32_t oracle_handle(struct oracle *o, int channel, bool alone);
void oracle_session_ended(struct oracle *o, uint32_t handle);
/* Elements may have been with a receiver that the program never had: a bind under a session that ended, or one given up. */
void oracle_may_reorder(struct oracle *o);
void oracle_received(struct oracle *o, uint32_t handle, uint32_t element);

/* A receive gave RN_ECLOSED: all that was sent has been taken, but for `in_hand` elements that other goroutines hold
 * and have not reported here yet. */
void oracle_closed(struct oracle *o, int channel, size_t in_hand);

/* A send gave 0: elements sent and not received are at most capacity, and in_hand.  Only in runs without session ends. */
void oracle_capacity(struct oracle *o, int channel, size_t capacity, size_t in_hand);

/* The end: nothing lost, nothing doubled but what a session's end allows, per-sender order where no session ended. */
void oracle_finish(struct oracle *o);

struct oracle_counts {
    uint64_t sent, doubt, not_sent, received, doubled, ended;
};
void oracle_counts(const struct oracle *o, struct oracle_counts *out);

/* Ends the process: prints what was found, the seed, and how to replay it.  Defined by the runner. */
void sim_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
