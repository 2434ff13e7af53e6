/* core.h - the heart of the broker: named channels, without a socket, a goroutine, a clock or a disk.
 *   SPDX-License-Identifier: MIT
 *
 * Events go in by the functions below; what follows from them comes out through struct core_out, whose functions
 * only queue.  One goroutine (or one test) drives a core; there are no locks in it.  Time is an argument: ns on any
 * clock that only grows.  Randomness is an argument: incarnations come from core_opts.random.
 *
 * Events only change state.  What follows from them - who gets which elements, credit, recalls - is decided by
 * core_flush(), which the driver calls when its input is drained: so batches form by themselves, and what several
 * events earn is said once.
 *
 * Sessions here are live parties; that their connections break and resume is not seen.  A session that is over
 * is ended once, by core_session_end() or core_session_leave(). */
#ifndef BROKER_CORE_CORE_H
#define BROKER_CORE_CORE_H

#include "proto/frame.h"
#include "proto/wire.h"

struct core;
struct core_session;

/* What a core asks of its driver.  `owner` is what core_session_new() was given. */
struct core_out {
    /* Sends a control to the session; the driver packs it before it returns.  < 0 (-ENOMEM): the driver must end
     * the session; the core goes on and forgets nothing. */
    int (*control)(void *owner, const struct wire_control *c);
    /* The session has sections to be pulled (it had none before). */
    void (*ready)(void *owner);
};

struct core_opts {
    struct core_out out;
    uint64_t (*random)(void *arg);
    void *random_arg;
    int64_t (*wall_ms)(
        void);       /* ms since 1970, for people who read dead letters; NULL: nobody knows */
    int64_t idle_ns; /* how long an open, empty, unbound channel is kept; 0: 60 s */
    int64_t fold_ns; /* nothing goes on in a channel for so long: it takes little memory; 0: 1 s */
    uint32_t
        piece_bytes; /* an element larger than four pieces is delivered in pieces of so many bytes, for tests; 0: as
                             limits.h has it */
};

struct core *core_new(const struct core_opts *opts); /* NULL: no memory */
void core_free(struct core *core);                   /* ends all sessions, says nothing */

/* A node has opened a session.  `node` (its name, for people) and `instance` (its process) are copied.  NULL: no
 * memory. */
struct core_session *core_session_new(struct core *core, const char *node,
                                      const uint8_t instance[16], void *owner);
/* A frame of it came, whatever is in it, and be it an empty one: to be called for each, before what is in it. */
void core_heard(struct core *core, struct core_session *s, int64_t now_ns);
/* It is over: its slots come free, what it had not taken comes again with deliveries + 1.  Nothing is sent to it.  A
 * channel that was to close when its senders had gone is told that these have died. */
void core_session_end(struct core *core, struct core_session *s, int64_t now_ns);
/* The same after a Goodbye that leaves nothing behind: its senders have gone in order. */
void core_session_leave(struct core *core, struct core_session *s, int64_t now_ns);

/* Its name, for people. */
const char *core_session_node(const struct core_session *s);

/* Calls fn with the owner of each binding of that channel.  false: there is no such channel. */
bool core_each_binding(struct core *core, const char *name,
                       void (*fn)(void *arg, void *owner, enum wire_direction direction),
                       void *arg);

/* A control or a section from the node.  0; -EPROTO with *why when it breaks a rule (the driver refuses the session
 * with PROTOCOL and ends it); -ENOMEM (the driver refuses with NO_MEMORY and ends it).  A section's body lies in
 * `frame`, to which the core takes references of its own. */
int core_control(struct core *core, struct core_session *s, const struct wire_control *c,
                 int64_t now_ns, const char **why);
int core_section(struct core *core, struct core_session *s, const struct wire_section *section,
                 struct frame *frame, int64_t now_ns, const char **why);

/* A section or control for that binding will follow soon, or very soon: its memory is asked for.  Changes nothing. */
void core_expect_soon(const struct core_session *s, uint32_t bind);
void core_expect_next(const struct core_session *s, uint32_t bind);

/* Settles every channel that the events since the last flush have touched: delivers, grants, lends, recalls, and says
 * it.  To be called after each batch of events of any kind, before core_pull(); a core that is not flushed is correct
 * but silent. */
void core_flush(struct core *core);
/* After the pulls that follow a flush: there is something to be settled again, by another flush, because what was pulled has
 * freed slots, or was not, for which somebody waits. */
bool core_unsettled(const struct core *core);

/* The next section for the session: of its IN bindings in turn, at most max_bytes of elements but at least one
 * element.  true: *section is filled; its body is borrowed until the next call on the core, so copy it now.  false:
 * nothing more; core_out.ready will say when there is.
 * Pull only what goes on the link at once (not while the session is suspended): what is still here can be handed to
 * another receiver, and a Recall that overtakes sections on the way gets back older elements than it was meant to, which
 * then reach the same receiver after newer ones. */
bool core_pull(struct core *core, struct core_session *s, uint64_t max_bytes,
               struct wire_section *section);
/* The same, but pieces of large elements stay where they are, until core_pull() asks for all again; false: nothing else is
 * there, core_has_pieces() says whether they are. */
bool core_pull_small(struct core *core, struct core_session *s, uint64_t max_bytes,
                     struct wire_section *section);
bool core_has_pieces(const struct core_session *s);

/* Time has come: forgets channels that were idle for too long, voids weak asks, asks again where somebody waits and
 * somebody else sits on what he was given, ends offers that are too late, passes over nodes that are silent.  core_deadline: when
 * it must be called next, INT64_MAX: never. */
void core_tick(struct core *core, int64_t now_ns);
int64_t core_deadline(const struct core *core);

/* Walks everything and asserts every invariant: ledgers, slots, byte counts, queues.  For tests and test builds. */
void core_check(const struct core *core);

/* For tests: capacity used now, in elements: lent + buffered + delivered + delayed; (size_t)-1: no such channel. */
uint64_t core_used(const struct core *core, const char *name);

/* For tests: bytes of memory that the channel's elements take here, at most; 0: no such channel. */
uint64_t core_memory(const struct core *core, const char *name);

/* Ends of channels that were forgotten, so that a run can be balanced at its end: accepted and taken of all time.
 * What was purged is part of what was dropped. */
struct core_totals {
    uint64_t channels, accepted, copied, taken, dropped, purged, redelivered, returned, expired,
        dead;
};
void core_totals(const struct core *core, struct core_totals *out);

#endif
