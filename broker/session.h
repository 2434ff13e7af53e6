/* session.h - a node's session as the broker has it: stream, party in the core, connection, lease.
 *   SPDX-License-Identifier: MIT
 *
 * Owned by the shard's goroutine.  The core calls it through core_out with the session as `owner`. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "broker/core/core.h"
#include "broker/core/table.h"
#include "proto/link/link.h"
#include "proto/link/session.h"

struct acks;
struct inquiries;
struct party;

struct broker_session {
    uint64_t id;
    uint8_t instance[16]; /* of the process that opened it: nobody else may resume it */
    struct session *stream;
    struct core *core;
    struct core_session *party;
    link_peer peer; /* its newest connection; 0: none, the stream is suspended */
    int64_t lease_ns;
    int64_t heard_ns; /* when the node's last frame or Hello came, rn__boottime() */
    int64_t
        search_ns; /* since when it is looked for, its lease being all but over; before that: nothing */
    bool ready;    /* the core has sections for it */
    bool failed;   /* a control found no memory: it must end */
    bool in_order; /* it said goodbye, and left nothing behind */

    struct inquiries *inquiries; /* the shard's */
    struct party *parties;       /* the inquiries that it is asked for */

    /* Those whose node waits for an acknowledgement are on the shard's other list. */
    struct acks *acks;  /* its owner */
    int64_t ack_due_ns; /* 0: it is not on it */
    bool ack_due;       /* the time has come */
    struct broker_session *ack_prev, *ack_next;

    /* Those with something to say or to end are on the shard's list. */
    struct broker_session **dirty; /* its head */
    bool is_dirty;
    struct broker_session *prev, *next;
    bool unhashed;
    UT_hash_handle hh; /* by id, in the shard's table */
};

/* The functions by which a core speaks to its sessions. */
extern const struct core_out broker_session_out;

/* A session that has no connection yet; `dirty` is the head of the list it goes on when it has something to say.
 * NULL: no memory. */
struct broker_session *broker_session_new(uint64_t id, const struct wire_hello *hello,
                                          struct core *core, struct broker_session **dirty);

/* Ends it in the core and frees it. */
void broker_session_free(struct broker_session *s, int64_t now_ns);

/* A connection for it, whose node has received frames up to `received`.  0, or -EPROTO with *why. */
int broker_session_attach(struct broker_session *s, link_peer peer, uint64_t received,
                          const char **why);
void broker_session_detach(struct broker_session *s);

enum broker_session_input {
    BROKER_SESSION_ON,     /* it goes on */
    BROKER_SESSION_BROKEN, /* frames are missing: the connection is of no more use */
    BROKER_SESSION_LEFT,   /* the node said goodbye */
};

/* A frame of this session that came on its connection.  Above, or -EPROTO or -ENOMEM with *why: it must end. */
int broker_session_input(struct broker_session *s, const struct frame_view *view,
                         struct frame *frame, int64_t now_ns, const char **why);

/* Says all there is to say, as far as the link window allows, and takes the session off the list.  `drained`: no more
 * input is waiting, so the time has come to acknowledge.  0, -EHOSTUNREACH: its connection is gone, and it was
 * detached; or -ENOMEM: it must end. */
int broker_session_flush(struct broker_session *s, struct link *link, bool drained, int64_t now_ns);

/* Puts it on the list. */
void broker_session_touch(struct broker_session *s);

#endif
