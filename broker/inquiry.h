/* inquiry.h - what goroutines do whom a channel's users wait for: asked of their nodes, for somebody who wants to know.
 *   SPDX-License-Identifier: MIT
 *
 * A Query with WHY or DUMP begins an inquiry.  It asks the nodes concerned, hands on what they report as it comes, and
 * ends when each has told all, has left, or was silent for a second after it was asked; or with its asker's session.  It
 * asks a node for more only while the asker takes what came, so it holds little, whatever the nodes have to say.
 *
 * Owned by the shard's goroutine; nothing here waits. */
#ifndef BROKER_INQUIRY_H
#define BROKER_INQUIRY_H

#include "broker/session.h"

#define INQUIRIES_MAX     16 /* at once; more are refused */
#define INQUIRY_WINDOW    64 /* nodes of one inquiry that are asked at once */
#define INQUIRY_SILENT_NS INT64_C(1000000000)

struct inquiry;

/* All that are under way. */
struct inquiries {
    struct core *core;
    struct broker_session *const *sessions; /* the head of the shard's table */
    struct inquiry *first;
    unsigned count;
    uint32_t last_id;
};

/* Query (WHY, DUMP) came from s.  0, or -EPROTO with *why, or -ENOMEM: s must end. */
int inquiries_query(struct inquiries *all, struct broker_session *s, const struct wire_control *c,
                    int64_t now_ns, const char **why);

/* Report came from s.  0, or -EPROTO with *why: s must end. */
int inquiries_report(struct inquiries *all, struct broker_session *s, const struct wire_control *c,
                     int64_t now_ns, const char **why);

/* s is about to end. */
void inquiries_leave(struct inquiries *all, struct broker_session *s, int64_t now_ns);

/* Asks who is to be asked, gives up who is silent, ends what is complete; before each flush. */
void inquiries_step(struct inquiries *all, int64_t now_ns);

/* When it must be stepped next even if nothing comes; INT64_MAX: never. */
int64_t inquiries_deadline(const struct inquiries *all);

void inquiries_fini(struct inquiries *all);

#endif
