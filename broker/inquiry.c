/* inquiry.c - see inquiry.h.   SPDX-License-Identifier: MIT
 *
 * A node of an inquiry is a party: due (to be asked, for the first time or for more) or asked; when it has told all, has
 * left or is given up it is none any more.  An inquiry without parties is complete.
 *
 * Invariants: the asked ones stand in the order in which they were asked; a party is on one of the two lists of its inquiry
 * and on that of its session; no inquiry refers to a session that has ended. */
#include "broker/inquiry.h"

#include "proto/limits.h"
#include "runtime/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define MS_NS       INT64_C(1000000)
#define ASKER_BYTES ((size_t)1 << 20) /* who has more than that to take is not told more yet */

struct party {
    struct inquiry *inquiry;
    struct broker_session *session;
    bool sends, receives; /* has bound the channel */
    bool asked;           /* which list it is on */
    bool begun;           /* has been asked once: it may remember us */
    bool counted;         /* in inquiry->window */
    int64_t asked_ns;
    struct party *prev, *next;
    struct party *of_session_prev, *of_session_next;
};

struct inquiry {
    struct inquiries *all;
    uint32_t id;       /* of its Inspects */
    uint32_t query_id; /* of its Answers */
    struct broker_session *asker;
    char channel[WIRE_NAME_MAX + 1]; /* "": DUMP */
    struct party *due, *asked;
    unsigned window; /* parties that are asked and could answer */
    struct inquiry *prev, *next;
};

/* ---- what is said -------------------------------------------------------------------------------- */

static void say_node(const struct inquiry *q, const struct wire_node_info *node)
{
    struct wire_control c = {
        .what = WIRE_ANSWER,
        .bind = q->query_id,
        .answer = { .nodes = node, .n_nodes = 1 },
    };

    (void)broker_session_out.control(q->asker, &c);
}

static int say_last(struct broker_session *asker, uint32_t query_id, enum wire_code code,
                    const char *sentence)
{
    struct wire_control c = {
        .what = WIRE_ANSWER,
        .bind = query_id,
        .answer = { .last = true, .code = code, .sentence = sentence },
    };

    return broker_session_out.control(asker, &c);
}

static void say_inspect(const struct party *p, bool end)
{
    struct wire_control c = {
        .what = WIRE_INSPECT,
        .bind = p->inquiry->id,
        .inspect = { .channel = end ? "" : p->inquiry->channel, .end = end },
    };

    (void)broker_session_out.control(p->session, &c);
}

static struct wire_node_info node_of(const struct party *p, enum wire_voice voice, int64_t now_ns)
{
    const struct broker_session *s = p->session;

    return (struct wire_node_info){
        .name = core_session_node(s->party),
        .session = s->id,
        .voice = voice,
        .heard_ms = now_ns > s->heard_ns ? (uint64_t)((now_ns - s->heard_ns) / MS_NS) : 0,
        .connected = s->peer != 0,
        .sends = p->sends,
        .receives = p->receives,
    };
}

/* ---- parties ---------------------------------------------------------------------------------------- */

static struct party *party_find(const struct broker_session *s, const struct inquiry *q)
{
    struct party *p;

    DL_FOREACH2(s->parties, p, of_session_next)
        if (p->inquiry == q)
            return p;
    return NULL;
}

/* The session's party in the inquiry, a new one if need be; NULL: no memory. */
static struct party *party_get(struct inquiry *q, struct broker_session *s)
{
    struct party *p = party_find(s, q);

    if (p != NULL)
        return p;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->inquiry = q;
    p->session = s;
    DL_APPEND(q->due, p);
    DL_APPEND2(s->parties, p, of_session_prev, of_session_next);
    return p;
}

static void party_unlist(struct party *p)
{
    struct inquiry *q = p->inquiry;

    if (p->asked)
        DL_DELETE(q->asked, p);
    else
        DL_DELETE(q->due, p);
    q->window -= p->counted;
    p->asked = p->counted = false;
}

static void party_free(struct party *p)
{
    party_unlist(p);
    DL_DELETE2(p->session->parties, p, of_session_prev, of_session_next);
    free(p);
}

static void party_ask(struct party *p, int64_t now_ns)
{
    struct inquiry *q = p->inquiry;

    party_unlist(p);
    p->asked = p->begun = true;
    p->counted = p->session->peer != 0; /* of who is cut off nothing is on its way */
    p->asked_ns = now_ns;
    q->window += p->counted;
    DL_APPEND(q->asked, p);
    say_inspect(p, /* end= */ false);
}

/* Nothing more is heard of it: the asker is told, and so is the node, should it come back. */
static void party_give_up(struct party *p, enum wire_voice voice, int64_t now_ns)
{
    struct wire_node_info node = node_of(p, voice, now_ns);

    node.last = true;
    say_node(p->inquiry, &node);
    if (voice == WIRE_SILENT)
        say_inspect(p, /* end= */ true);
    party_free(p);
}

/* ---- inquiries ---------------------------------------------------------------------------------------- */

static void inquiry_free(struct inquiry *q)
{
    struct party **lists[] = { &q->due, &q->asked };

    for (int i = 0; i < 2; i++) {
        while (*lists[i] != NULL) {
            struct party *p = *lists[i];

            if (p->begun && p->session != q->asker)
                say_inspect(p, /* end= */ true);
            party_free(p);
        }
    }
    DL_DELETE(q->all->first, q);
    q->all->count--;
    free(q);
}

static struct inquiry *inquiry_new(struct inquiries *all, struct broker_session *asker,
                                   const struct wire_control *c)
{
    struct inquiry *q = calloc(1, sizeof *q);

    if (q == NULL)
        return NULL;
    q->all = all;
    q->id = ++all->last_id;
    q->query_id = c->bind;
    q->asker = asker;
    if (c->query_want == WIRE_WHY)
        snprintf(q->channel, sizeof q->channel, "%s", c->query_name);
    DL_APPEND(all->first, q);
    all->count++;
    return q;
}

struct gathering {
    struct inquiry *inquiry;
    bool no_memory;
};

static void gather_binding(void *arg, void *owner, enum wire_direction direction)
{
    struct gathering *g = arg;
    struct party *p = party_get(g->inquiry, owner);

    if (p == NULL)
        g->no_memory = true;
    else if (direction == WIRE_OUT)
        p->sends = true;
    else
        p->receives = true;
}

/* Who is to be asked.  0, -ENOENT or -ENOMEM. */
static int gather_why(struct inquiry *q)
{
    struct gathering g = { .inquiry = q };

    if (!core_each_binding(q->all->core, q->channel, gather_binding, &g))
        return -ENOENT;
    return g.no_memory ? -ENOMEM : 0;
}

static int gather_dump(struct inquiry *q, const char *node)
{
    bool found = node[0] == '\0';

    for (struct broker_session *s = *q->all->sessions; s != NULL; s = s->hh.next) {
        if (s == q->asker || (node[0] != '\0' && strcmp(core_session_node(s->party), node) != 0))
            continue;
        found = true;
        if (party_get(q, s) == NULL)
            return -ENOMEM;
    }
    return found ? 0 : -ENOENT;
}

static unsigned count_of(const struct inquiries *all, const struct broker_session *asker)
{
    const struct inquiry *q;
    unsigned n = 0;

    DL_FOREACH(all->first, q)
        n += q->asker == asker;
    return n;
}

static int refuse(struct broker_session *s, const struct wire_control *c, enum wire_code code)
{
    char sentence[WIRE_TEXT_MAX];

    if (code == WIRE_NO_MEMORY)
        snprintf(sentence, sizeof sentence,
                 "the broker answers %u questions of this kind already; ask again", INQUIRIES_MAX);
    else if (c->query_want == WIRE_WHY)
        snprintf(sentence, sizeof sentence, "this broker has no channel \"%s\"", c->query_name);
    else
        snprintf(sentence, sizeof sentence, "no node of this broker is called \"%.900s\"",
                 c->query_node);
    return say_last(s, c->bind, code, sentence);
}

int inquiries_query(struct inquiries *all, struct broker_session *s, const struct wire_control *c,
                    int64_t now_ns, const char **why)
{
    struct inquiry *q;
    int rc;

    if (count_of(all, s) >= WIRE_INQUIRIES_MAX) {
        *why = "a node asks more at once than the protocol allows";
        return -EPROTO;
    }
    if (all->count >= INQUIRIES_MAX)
        return refuse(s, c, WIRE_NO_MEMORY);
    q = inquiry_new(all, s, c);
    if (q == NULL)
        return -ENOMEM;
    rc = c->query_want == WIRE_WHY ? gather_why(q) : gather_dump(q, c->query_node);
    if (rc == 0) {
        inquiries_step(all, now_ns);
        return 0;
    }
    inquiry_free(q);
    return rc == -ENOENT ? refuse(s, c, WIRE_NOT_FOUND) : rc;
}

/* ---- what comes, and what does not ---------------------------------------------------------------------- */

int inquiries_report(struct inquiries *all, struct broker_session *s, const struct wire_control *c,
                     int64_t now_ns, const char **why)
{
    struct wire_node_info node;
    struct party *p;

    DL_FOREACH2(s->parties, p, of_session_next)
        if (p->inquiry->id == c->bind)
            break;
    if (p == NULL && c->bind <= all->last_id)
        return 0; /* nobody waits for it any more */
    if (p == NULL || !p->asked) {
        *why = "a Report came that was not asked for";
        return -EPROTO;
    }
    node = node_of(p, WIRE_ANSWERED, now_ns);
    node.host = c->report.host;
    node.pid = c->report.pid;
    node.goroutines = c->report.goroutines;
    node.n_goroutines = c->report.n_goroutines;
    node.last = c->report.last;
    say_node(p->inquiry, &node);
    if (node.last) {
        party_free(p);
    } else {
        struct inquiry *q = p->inquiry;

        party_unlist(p);
        DL_APPEND(q->due, p);
    }
    return 0;
}

void inquiries_leave(struct inquiries *all, struct broker_session *s, int64_t now_ns)
{
    struct inquiry *q, *next;

    DL_FOREACH_SAFE(all->first, q, next)
        if (q->asker == s)
            inquiry_free(q);
    while (s->parties != NULL)
        party_give_up(s->parties, WIRE_LEFT, now_ns);
}

static bool asker_takes(const struct inquiry *q)
{
    return session_queued_bytes(q->asker->stream) < ASKER_BYTES;
}

static void inquiry_step(struct inquiry *q, int64_t now_ns)
{
    while (q->asked != NULL && q->asked->asked_ns + INQUIRY_SILENT_NS <= now_ns)
        party_give_up(q->asked, WIRE_SILENT, now_ns);
    while (q->due != NULL && q->window < INQUIRY_WINDOW && asker_takes(q))
        party_ask(q->due, now_ns);
    if (q->due != NULL || q->asked != NULL)
        return;
    (void)say_last(q->asker, q->query_id, WIRE_OK, "");
    inquiry_free(q);
}

void inquiries_step(struct inquiries *all, int64_t now_ns)
{
    struct inquiry *q, *next;

    DL_FOREACH_SAFE(all->first, q, next)
        inquiry_step(q, now_ns);
}

int64_t inquiries_deadline(const struct inquiries *all)
{
    const struct inquiry *q;
    int64_t at_ns = INT64_MAX;

    DL_FOREACH(all->first, q)
        if (q->asked != NULL && q->asked->asked_ns + INQUIRY_SILENT_NS < at_ns)
            at_ns = q->asked->asked_ns + INQUIRY_SILENT_NS;
    return at_ns;
}

void inquiries_fini(struct inquiries *all)
{
    rn_assert(all->first == NULL); /* they have ended with the sessions */
}
