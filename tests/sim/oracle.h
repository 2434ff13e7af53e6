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

/* ---- homes ----
 * A channel's home is a broker, from its start to its crash; what a home held is gone with it.  An element belongs to the
 * home under which its sender's handle was bound, and only handles of that home may receive it. */
unsigned oracle_home(const struct oracle *o); /* the present one: 0, 1, ... */
void oracle_home_lost(struct oracle *o);      /* the broker has crashed */

/* That channel is a fanout: what comes to whom is judged in listeners.h, and the capacity not at all. */
void oracle_fans(struct oracle *o, int channel);

/* ---- sending ---- */
/* A handle that sends, to this incarnation of a channel (0: it is a local one).  `least`: the channel is to close when
 * such senders have gone, so many of them in order; 0: it does not ask for that. */
uint32_t oracle_sender(struct oracle *o, int channel, unsigned home, uint64_t incarnation,
                       uint32_t least);
enum gone {
    GONE_NOT,
    GONE_UNBOUND,
    GONE_UNSURE, /* its session has ended while it was being unbound, or its node was closed */
    GONE_DEAD,   /* its session has ended, and it was never unbound */
};
/* GONE_UNSURE also before it is known how, and when it begins. */
void oracle_sender_gone(struct oracle *o, uint32_t handle, enum gone how);
/* A sender's next element, on that handle.  `order` (growing per sender) is its place among what that sender sends. */
uint32_t oracle_try(struct oracle *o, uint32_t handle, int sender, uint32_t order);
void oracle_fate(struct oracle *o, uint32_t element, enum fate fate);
/* Before its send is called: it is not to be had before delay_ns have passed since now, and then has ttl_ns to be received, 0:
 * for ever.  When its send is known to have been accepted: by now. */
void oracle_times(struct oracle *o, uint32_t element, int64_t delay_ns, int64_t ttl_ns);
void oracle_accepted(struct oracle *o, uint32_t element);
/* Its send gave 0, and is not in doubt. */
/* It has a time to live, as far as was told; and by then it may have been over: a close may have ended its delay. */
bool oracle_expires(const struct oracle *o, uint32_t element);
bool oracle_had_time(const struct oracle *o, uint32_t element, int64_t at_ns);
bool oracle_in_doubt(const struct oracle *o, uint32_t element);
bool oracle_is_sent(const struct oracle *o, uint32_t element);
/* Handles that have lost their session. */
uint64_t oracle_sessions_ended(const struct oracle *o);
/* A receiver has no more use for the channel: what nobody has taken may be dropped. */
void oracle_cancelled(struct oracle *o, int channel, unsigned home);
/* A sender's handle has lost its session. */
void oracle_sender_ended(struct oracle *o);
/* A sender has failed the channel, so that its end may have a reason. */
void oracle_failed(struct oracle *o, int channel, unsigned home);
/* Somebody has closed it, or failed it. */
void oracle_by_hand(struct oracle *o, uint64_t incarnation);
/* Sessions may end in this run, if only by many faults in a row; senders may be unbound before they know. */
void oracle_may_die(struct oracle *o);
void oracle_may_leave(struct oracle *o);
/* All senders have gone, and this incarnation is open.  Does it close by itself, when enough time has passed? */
enum closing { CLOSES_NOT, CLOSES_PERHAPS, CLOSES_SURELY };
enum closing oracle_closes(const struct oracle *o, uint64_t incarnation);
/* A sender has closed the channel, perhaps before another could fail it. */
void oracle_shut(struct oracle *o, int channel, unsigned home);

/* ---- receiving ---- */
/* Handles that receive: a receipt belongs to one, and its session may end.  `alone`: it is the channel's only receiver, and
 * one goroutine receives on it, so that elements must come in order: what is recalled from a slow receiver and handed
 * to another may come after what that one already had. */
uint32_t oracle_handle(struct oracle *o, int channel, unsigned home, uint64_t incarnation,
                       bool alone);
void oracle_session_ended(struct oracle *o, uint32_t handle);
/* Elements may have been with a receiver that the program never had: a bind under a session that ended, or one given up. */
void oracle_may_reorder(struct oracle *o);
/* A receive is called; it has returned.  What it took is reported before anybody else runs. */
void oracle_calls(struct oracle *o, uint32_t handle);
void oracle_returns(struct oracle *o, uint32_t handle);
void oracle_received(struct oracle *o, uint32_t handle, uint32_t element);

/* It has just come: fails if that is before its time - unless the channel is closed -, or later than its time by more than slack_ns. */
void oracle_in_time(const struct oracle *o, uint32_t element, int64_t slack_ns);

/* ---- acknowledged by hand: an element is received when its acknowledgement gave 0 ----
 * It came, for the so-manieth time as its delivery says. */
void oracle_delivered(struct oracle *o, uint32_t handle, uint32_t element, uint32_t deliveries);
/* The program's verdict gave 0, and it was: done; again (and that was once too often); rejected. */
void oracle_acknowledged(struct oracle *o, uint32_t handle, uint32_t element);
void oracle_again(struct oracle *o, uint32_t handle, uint32_t element, bool once_too_often);
void oracle_rejected(struct oracle *o, uint32_t handle, uint32_t element);
/* A codec refuses it: so its receive takes another. */
void oracle_refused(struct oracle *o, uint32_t element);
/* It is a dead letter, because it was delivered so often as is allowed, was rejected, or refused. */
enum death { DEATH_OF_DELIVERIES, DEATH_BY_HAND, DEATH_BY_CODEC };
void oracle_dead(struct oracle *o, int channel, unsigned home, uint32_t element, enum death death);
/* Who has it has no right to it any more: it was told so, or begins to unbind. */
void oracle_let_go(struct oracle *o, uint32_t element);
/* Has somebody cancelled it? */
bool oracle_is_cancelled(const struct oracle *o, int channel, unsigned home);

/* ---- what must hold unless a session ends, which nobody may have noticed yet: so it is judged by oracle_finish() ---- */

/* A receive gave RN_ECLOSED, and `reason` was told: all that was sent has been taken, but for what other receives have and
 * did not return with yet.  Of a channel that closed by itself, and so judged at once: as many as must have gone in order
 * have, and RN_ESESSION is told only if a sender may have died.  oracle_finish() judges that it was told if one has. */
void oracle_closed(struct oracle *o, uint32_t handle, int reason);

/* A send gave 0: elements sent and not received are at most capacity, and one in the hand of each receive that has been called
 * and has not returned.  So with capacity 0 no send returns before a receive was called for it; that receive may not return
 * with it if receives may give up with the link down, or refuse an element (`yields`): but never do more sends return than
 * receives were called. */
void oracle_capacity(struct oracle *o, int channel, unsigned home, size_t capacity, bool yields);

/* ---- looking into a channel ----
 * It was shown there; gives whose it is, and its place among what that one sends. */
void oracle_shown(struct oracle *o, int channel, unsigned home, uint32_t element, int *sender,
                  uint32_t *order);
/* A tap has shown a sender's elements like that: what a session that has ended had sent may come late. */
void oracle_out_of_order(struct oracle *o, int channel, int sender, uint32_t order, int64_t after);
/* It is about to be purged; so many were; < 0: nobody knows whether, and how many. */
void oracle_purging(struct oracle *o, int channel, unsigned home);
void oracle_purged(struct oracle *o, int channel, unsigned home, int64_t elements);

/* So many have expired, as the home has counted; to be told before the end, if no home was lost: then it can be no fewer than those
 * that have not come, and no more than may not have. */
void oracle_expired(struct oracle *o, uint64_t expired);
/* Of them: in fanouts, where each window counts. */
void oracle_expired_in_fanouts(struct oracle *o, uint64_t least, uint64_t most);

/* The end: nothing lost but what has expired or was purged, and as much as was purged; nothing doubled but what a session's end allows - and then the older session had the element
 * first -; nothing given to another while somebody has it to acknowledge, or has done so, or has rejected it, but by a session's end; the number of
 * deliveries exact where no session ended; per-sender order where no session ended, and the reason of a failure has come to somebody. */
void oracle_finish(struct oracle *o);

struct oracle_counts {
    uint64_t sent, doubt, not_sent, received, doubled, ended;
    uint64_t gone;    /* sent, and lost with their home */
    uint64_t dropped; /* sent, and not received because the channel was cancelled */
    uint64_t expired; /* ... or because its time was over */
    uint64_t purged;  /* ... or dropped by who purges */
};
void oracle_counts(const struct oracle *o, struct oracle_counts *out);

/* Ends the process: prints what was found, the seed, and how to replay it.  Defined by the runner. */
void sim_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
