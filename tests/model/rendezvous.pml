/* rendezvous.pml - channels of capacity 0: goroutines, nodes, homes.   SPDX-License-Identifier: MIT
 *
 * A configuration says who there is and includes this file; see `check`.  The words are those of RENDEZVOUS in
 * proto/runnel.proto, of broker/core/meet.c (home), node/pairing.c and node/traffic.c (node) and runtime/wait.c (the claim
 * word).  A step here is what happens there under one lock: one control, one flush, one turn of the link goroutine, one
 * step of a goroutine.  What is between two processes is a queue: a session that nothing is lost in.
 *
 * Every operation is performed once, and sends at most one element, which has the operation's number.  So every run should
 * end: a run that does not is a livelock, and `check` looks for it. */

#ifndef HOMES
#define HOMES 1
#endif
#ifndef CLAIMS
#define CLAIMS 3 /* numbers of claims in use at a time, per binding */
#endif
#ifndef QUEUE
#define QUEUE 12
#endif
#ifndef DEADLINE
#define DEADLINE 0 /* bits: the operations that have one */
#endif
#ifndef CANCEL
#define CANCEL 0 /* bits: those that may be cancelled, which a home does not know */
#endif
#ifndef LOCAL
#define LOCAL 0 /* bits: the operations with one more case, on a local channel, that may become ready */
#endif
#ifndef CUTS
#define CUTS 0 /* how often the links break, in all */
#endif
#ifndef MORTAL
#define MORTAL 0 /* bits: the nodes whose session may end */
#endif

/* What `check` breaks on purpose, to see that it is found. */
#ifndef MUTANT
#define MUTANT NONE
#endif
#define NONE            0
#define COMMIT_EARLY    1  /* the home commits before Claimed */
#define NEVER_HELD      2  /* no tie-break: a node refuses whatever finds its receives tentative */
#define ALWAYS_HELD     3  /* no tie-break: it holds whatever does */
#define OFFER_KEPT      4  /* an aborted offer leaves its operation tentative */
#define CLAIM_KEPT      5  /* so does an aborted claim */
#define REFUSE_IGNORED  6  /* the home does not take back what a receive has refused that yielded */
#define YIELD_UNTOLD    7  /* a receive yields without saying so */
#define DEATH_UNHEALED  8  /* what a dead node had not taken is not given to another */
#define MEETS_ITSELF    9  /* a receive takes what its own operation offers */
#define OWN_FORGOTTEN   10 /* the home does not remember whom a receive would not meet */
#define NOT_LOOKED      11 /* who was passed over is not told when the operation is open again */
#define NOT_KNOCKED     12 /* nor when it was passed over because it is tentative again */
#define TAKEN_FIRST     13 /* a node says what was taken before it says what was refused */
#define NOT_WITHDRAWN   14 /* an offer whose deadline passes stays */
#define DOUBT_DENIED    15 /* a send that yields says that nothing was sent */
#define SILENCE_UNTOLD  16 /* a claim is given up without an Abort */
#define ABORT_COMMITS   17 /* a claim that was given up is committed when Claimed comes after all */

#define CASES   2 /* of an operation, at most; those that it has not are on channel NO_CHANNEL */
#define NO_CHANNEL 9
#define HANDLES (NODES * CHANNELS)
#define LINKS   (NODES * HOMES)

/* Operation, case -> parcel; node, channel -> handle; handle, direction -> side; channel -> home; node, home -> link. */
#define IN  0
#define OUT 1
#define PARCEL(o, k) ((o) * CASES + (k))
#define HANDLE(n, c) ((n) * CHANNELS + (c))
#define SIDE(h, d)   ((h) * 2 + (d))
#define HOME(c)      ((c) % HOMES)
#define LINK(n, c)   ((n) * HOMES + HOME(c))
#define CLAIM_AT(h, i) ((h) * CLAIMS + (i) - 1)
#define NODE_OF(h)    ((h) / CHANNELS)
#define CHANNEL_OF(h) ((h) % CHANNELS)
#define LINK_OF(h)    LINK(NODE_OF(h), CHANNEL_OF(h))
#define HAS(bits, i) (((bits) >> (i)) & 1)

/* Who there is.  The number of an operation is its rank: nodes, and operations in them, are named in their order. */
hidden byte node_of[OPS] = OP_NODE;
hidden byte channel_of[OPS * CASES] = CASE_CHANNEL;
hidden byte dir_of[OPS * CASES] = CASE_DIR;

#define ON(x, h, d) (channel_of[x] == CHANNEL_OF(h) && dir_of[x] == (d) && node_of[(x) / CASES] == NODE_OF(h))
#define SINGLE(o)   (channel_of[PARCEL(o, 1)] == NO_CHANNEL)

mtype = {
    ASK, RETURNED, OFFER, WITHDRAW, CLAIMED, REFUSE, TAKEN, FRAME,  /* node -> home */
    CALL, CLAIM, COMMIT_OFFER, COMMIT_CLAIM, ABORT_OFFER, ABORT_CLAIM /* home -> node */
};
/* what, channel, then: ASK direction, waiting; RETURNED calls; OFFER operation, patient; WITHDRAW operation; CLAIMED claim,
 * receive (known to the model only); REFUSE claim, own; TAKEN element; CLAIM claim, operation + 1 (0: given back);
 * COMMIT_OFFER operation; COMMIT_CLAIM claim, element, which comes with it; ABORT_OFFER operation, asks; ABORT_CLAIM claim,
 * asks. */
chan up[LINKS] = [QUEUE] of { mtype, byte, byte, byte };
chan down[LINKS] = [QUEUE] of { mtype, byte, byte, byte };

byte cuts = CUTS;
bool broken[LINKS]; /* nothing gets through */
bool over[NODES];   /* the node's sessions are over, at the node */
bool gone[NODES];   /* and at the homes */

/* Variables of one step.  They mean nothing between steps. */
hidden mtype m;
hidden byte c, x, y, h, o, r, k, n, own, best, claim_no, released, found, stamp_now, i1, i2, i3, i4, i5, i6, i7, i8, v1, v2;
hidden byte ok, lower, again, begun;

/* The claim word of an operation (runtime/wait.c), who has knocked at it, and its result. */
#define IDLE      0
#define OPEN      1
#define TENTATIVE 2
#define FIRED     3

#define KNOCK_TALKS 1
#define KNOCK_END   2 /* timeout, cancel */
#define KNOCK_PEER  4

#define NOTHING 0
#define DONE    1 /* the case by_case was performed */
#define TIMEOUT 2
#define PEER    3 /* the local case was performed */
#define AGAIN   4
#define UNKNOWN 5
#define FAILED  6 /* RN_ESESSION */

/* Where an element is, as its home sees it. */
#define NOWHERE   0
#define IN_LINE   1 /* an offer that is there */
#define SPOKEN    2 /* one that a receiver has a claim on */
#define BACK      3 /* accepted and given back */
#define BACK_SPOKEN 4
#define DELIVERED 5

#include "truth.pml"
#include "node.pml"
#include "home.pml"

/* Timers of the home that are about the operation me: the deadline of its offer, the silence of who is to receive it. */
proctype timers(byte me)
{
end:
    do
    :: d_step {
        HAS(DEADLINE, me) && !e_late[me] && (at_home[me] == IN_LINE || at_home[me] == SPOKEN) && !e_withdrawn[me] ->
            begin();
            e_late[me] = true;
            c = e_channel[me];
            touched[c] = true;
            withdraw(me);
            tidy(c); skip
        }
    :: d_step {
        (at_home[me] == SPOKEN || at_home[me] == BACK_SPOKEN) && broken[LINK_OF(e_receiver[me])] ->
            begin();
            c = e_channel[me];
            claim_unanswered(me);
            tidy(c); skip
        }
    od
}

/* What befalls the link of node `at` to home `to`. */
proctype fate(byte at; byte to)
{
    byte l = at * HOMES + to;

end:
    do
    :: d_step { cuts > 0 && !broken[l] && !over[at] -> cuts--; broken[l] = true; skip }
    :: d_step { broken[l] && !over[at] -> broken[l] = false; skip }
    :: d_step { broken[l] && !over[at] && HAS(MORTAL, at) -> node_over(at); skip }
    :: d_step { over[at] && !gone[at] -> begin(); home_over(at); tidy_all(); skip }
    :: d_step { ANY_UNANSWERED(at, to) && broken[l] -> calls_unanswered(at, to); skip }
    :: d_step { ANY_MUTE(at, to) && !broken[l] -> begin(); heard(at, to); tidy_all(); skip }
    od
}

proctype monitor()
{
    timeout -> d_step { see_end(); skip }
}

init {
    byte i, j;

    atomic {
        for (i : 0 .. NODES - 1) {
            for (j : 0 .. HOMES - 1) {
                run link(i, i * HOMES + j);
#if CUTS > 0
                run fate(i, j)
#endif
            }
        }
        for (i : 0 .. HOMES - 1) { run home(i) }
        for (i : 0 .. OPS - 1) {
            run goroutine(i);
#if CUTS > 0 || DEADLINE > 0
            run timers(i)
#endif
        }
        run monitor()
    }
}
