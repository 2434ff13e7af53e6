/* node.h - a process and its link to a broker, for the other files of node/ and for tests.
 *   SPDX-License-Identifier: MIT
 *
 * One service goroutine per node, the link goroutine, owns the link, the session and every table.  Others reach it
 * in two ways: a handle with something to say is marked, a request is submitted; both wake it if it sleeps. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "node/runnel.h"
#include "proto/link/link.h"
#include "proto/wire.h"

#include <stdatomic.h>
#include <stdbool.h>

/* ---- doors that are not in runnel.h: the command line, tests, the simulator ---- */

/* rn_node_open on an endpoint that is there already.  Takes link, also on error.  `url` as rn_node_opts.brokers. */
int rn__node_open_on(rn_node **node, const rn_node_opts *opts, struct link *link, const char *url,
                     rn_time deadline);

/* The node dies without a word: its handles give RN_ESESSION, the broker hears nothing.  Takes node.  Parks until the
 * link is closed. */
void rn__node_crash(rn_node *node);

/* Asks the broker about its channels (name NULL or "": all of them, else that one) and calls each once per channel,
 * on the caller's stack; *info is borrowed for the call.  Parks at most until deadline.  0, RN_ETIMEDOUT,
 * RN_ECANCELED, RN_ESESSION (asked of a session that ended before the answer was complete), -ENOMEM, -ESHUTDOWN. */
int rn__node_query(rn_node *node, const char *name,
                   void (*each)(void *arg, const struct wire_channel_info *info), void *arg,
                   rn_time deadline);

/* Asks about goroutines: of those who wait in the channel of that name and of those it is bound to (want WHY), or of the
 * nodes of that name, "": all (DUMP).  Calls each for every piece of an answer, on the caller's stack; *info is borrowed
 * for the call; a node may come in several pieces.  Parks as long as answers come, and at most patience_ns for the next.  The
 * same results; and -ENOENT: the broker has no such channel; rn__node_why() says why it gave no answer. */
int rn__node_inspect(rn_node *node, enum wire_want want, const char *name,
                     void (*each)(void *arg, const struct wire_node_info *info), void *arg,
                     int64_t patience_ns);

/* Asks what is answered by one Answer - Peek, Purge, Remove, Tap - about the channel that the question names, and calls
 * `answer` with that, on the caller's stack; it is borrowed for the call.  Parks at most until deadline; the page of a tap that
 * comes later is lost.  The same results: after RN_ESESSION what changes something may have been done or not; a refusal's code
 * is an error, as -ENOENT (`answer` is called all the same), and rn__node_why(NULL) says it in a sentence. */
int rn__node_ask(rn_node *node, const struct wire_control *question,
                 void (*answer)(void *arg, const struct wire_control *answer), void *arg,
                 rn_time deadline);

/* What a receiver gets of an element that the broker has shown, with its section's flags: it may have a header.  *element
 * lies in bytes.  0 or -EPROTO. */
int rn__node_element(uint32_t flags, const uint8_t *bytes, size_t size, const uint8_t **element,
                     size_t *len);

/* Makes a pair of keys and writes it to path and path.pub.  0 and the public key; or -errno, and why in a sentence.  Any
 * thread, also without the scheduler. */
#define RN__KEY_TEXT 40
int rn__keys_make(const char *path, char public_text[RN__KEY_TEXT + 1], char *why, size_t size);

/* rn_node_last_error() without its result. */
void rn__node_why(rn_node *node, char *buf, size_t size);

/* Is there a session on a connection that is up?  For tests; true a moment ago. */
bool rn__node_up(const rn_node *node);
/* How often there was one.  For tests. */
unsigned rn__node_connections(const rn_node *node);

/* Handles that are bound from now on send elements of more than four times so many bytes in pieces.  For tests. */
void rn__node_pieces(rn_node *node, size_t bytes);

/* Senders linger while more than so many bytes wait to leave (see crowd.h); and how many do.  For tests. */
void rn__node_crowd(rn_node *node, size_t bytes);
size_t rn__node_queued(const rn_node *node);

/* ---- for the other files of node/ ---- */
struct handle;
struct chunk_pool;
struct trails;

struct rn_node *node_ref(struct rn_node *n);
void node_unref(struct rn_node *n);
struct chunk_pool *node_chunks(struct rn_node *n);
struct trails *node_trails(struct rn_node *n);

/* The handle has something to say to the home: the link goroutine will collect it; nothing when the handle is over.
 * Its channel is locked.  Cheap when it is marked already. */
void node_mark(struct rn_node *n, struct handle *h);

/* The same for a handle whose channel the caller has not locked, and to which it has a reference. */
void node_mark_unlocked(struct rn_node *n, struct handle *h);

/* Somebody knocked at a handle's tentative operation.  Any thread; takes the node's lock at most. */
void node_knocked(struct rn_node *n);
/* 16 random bytes: this process. */
const uint8_t *node_instance(const struct rn_node *n);

/* May an operation use what the session gave (credit, an element) now?  0; RN__NOT_READY in the last quarter of the
 * lease (the link goroutine will serve all handles when it has been renewed); RN_ESESSION after its end. */
int node_fence(struct rn_node *n);
/* The same by a clock that is cheap to read, as long as the fence is not near. */
int node_fence_glance(struct rn_node *n);

/* Is the lease of the session that handles are bound under at its end?  Then it is final: as RN_ESESSION of node_fence(). */
bool node_lease_over(struct rn_node *n);
/* The same by a clock that is cheap to read, as long as the end is not near. */
bool node_lease_over_glance(struct rn_node *n);

#define NODE_UP_NS RN_SEC
/* The link counts as up until then (rn__boottime()): NODE_UP_NS after the oldest frame was sent that is not acknowledged, or
 * the newest that is, whichever is later; from now on, while nothing is unacknowledged: a link that rests is not down. */
int64_t node_up_until(const struct rn_node *n);
/* Operations in doubt: while there are any, signs of life are given more often. */
void node_doubt(struct rn_node *n, int change);

/* Are we in a child of fork?  Then nothing of the node works. */
extern atomic_bool node_is_forked;
static inline bool node_forked(void)
{
    /* Relaxed: it is only ever set before the child's only thread goes on. */
    return atomic_load_explicit(&node_is_forked, memory_order_relaxed);
}

/* What a broker's code is to a program.  `reason` is used by WIRE_FAILED and WIRE_CANCELLED. */
int node_error(enum wire_code code, int reason);

/* Binds local to a new reply channel, whose name it draws; as rn_bind. */
int bind_reply(rn_node *node, char name[RN_NAME_MAX], enum rn_dir dir, rn_chan *local,
               const rn_codec *codec, rn_time deadline);
/* Draws a name for one. */
void reply_name(char name[RN_NAME_MAX]);
/* Binds local OUT; a reply channel so that it unbinds by itself when that ends. */
int bind_leaving(rn_node *node, const char *name, rn_chan *local, const rn_codec *codec,
                 rn_time deadline);

/* The given value, else the variable's; NULL when that is not set, or either is "". */
const char *node_setting(const char *given, const char *variable);

/* Notes a refusal's sentence; node NULL: of the process. */
void node_note_error(struct rn_node *n, const char *sentence);

#endif
