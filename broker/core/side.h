/* side.h - one side of a channel: who asks, who holds, and what is on its way back.   SPDX-License-Identifier: MIT
 *
 * The two sides are alike.  OUT: senders ask for credit and hold what was lent.  IN: receivers ask for elements and
 * hold what was delivered and not taken.  What is held is *claimed* as far as a waiting operation will use it up at
 * once, as far as the home can know; the rest is *spare*, and is recalled when others wait.
 *
 * Invariants: held and waiting are the sums over the bindings; a binding is in at most one of `askers` and `weak`, and
 * in at most one of `spare` and `claimed`. */
#ifndef BROKER_CORE_SIDE_H
#define BROKER_CORE_SIDE_H

#include "broker/core/list.h"

#include <stdint.h>

struct binding;

struct side {
    struct hook bindings;
    uint32_t n_bindings;
    struct hook askers;  /* bindings whose operations wait, in the order in which they began */
    struct hook weak;    /* bindings that missed without waiting; ranked behind all askers */
    uint64_t waiting;    /* operations of the askers */
    struct hook spare;   /* bindings that hold something to be recalled, in turn */
    struct hook claimed; /* bindings all of whose holdings will be used, if all goes well */
    uint64_t held, held_bytes;
    uint64_t in_hand; /* of held: with programs that acknowledge by hand, and have not yet */
    uint64_t returning, returning_bytes; /* what unanswered Recalls may bring, at most */
};

void side_init(struct side *s);
void side_join(struct side *s, struct binding *b);
/* Takes the binding off all lists and sums; it must hold nothing any more. */
void side_leave(struct binding *b);

/* Puts it at the end of the askers (or of the weak ones), unless it is there already; or takes it off. */
void side_ask(struct binding *b);
void side_unask(struct binding *b);
/* Puts it, if it is among the askers, before the others. */
void side_ask_first(struct binding *b);
/* So many operations of b wait now.  OUT: the credit that it holds may be on its way to them: then they ask twice for the
 * same, and what they get is spare. */
void side_wait(struct binding *b, uint32_t waiting);
/* n of its waiting operations are answered.  Gives how many of them will surely use it up. */
uint64_t side_answer(struct binding *b, uint64_t n);

/* So many of those that b holds are in its program's hands: nobody waits for them, and no Recall brings them back. */
void side_hand(struct binding *b, uint64_t in_hand);

/* So many of those that b holds will be used up by operations that wait. */
void side_claim(struct binding *b, uint64_t claimed);

/* n more are held, `claimed` of them on behalf of waiting operations.  n fewer: used up, first those; or given back,
 * last those. */
void side_hold(struct binding *b, uint64_t n, uint64_t bytes, uint64_t claimed);
void side_release(struct binding *b, uint64_t n, uint64_t bytes);
void side_give_back(struct binding *b, uint64_t n, uint64_t bytes);
/* Puts the binding on the list where it belongs by what it holds. */
void side_place(struct binding *b);

/* A Recall was said to b that may bring n back; it was answered. */
void side_recall(struct binding *b, uint64_t n, uint64_t bytes);
void side_answered(struct binding *b);

/* Nothing is taken on trust any more: Recalls that nobody has answered will bring nothing, and what others hold may be
 * recalled (again) however used it looks.  O(bindings). */
void side_doubt(struct side *s);

void side_check(const struct side *s);

#endif
