/* query.c - asking a broker what channels it has, and what goroutines its nodes have.   SPDX-License-Identifier: MIT
 *
 * The link goroutine only collects the frames with answers; they are read on the asker's stack. */
#include "node/inside.h"

#include "proto/dead.h"
#include "proto/header.h"

#include <stdio.h>
#include <stdlib.h>

void query_unref(struct query *q)
{
    /* acq_rel: the last one sees what the other did. */
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) > 1)
        return;
    while (q->frames != NULL) {
        struct answer_frame *a = q->frames;
        q->frames = a->next;
        frame_unref(a->frame);
        free(a);
    }
    rn_chan_unref(q->done);
    free(q);
}

/* What it asks is copied. */
static struct query *query_new(const struct wire_control *question)
{
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    atomic_init(&q->refs, 1);
    q->frames_end = &q->frames;
    q->question = *question;
    if (question->what == WIRE_QUERY) {
        snprintf(q->name, sizeof q->name, "%s", question->query_name);
        snprintf(q->node, sizeof q->node, "%s", question->query_node);
        q->question.query_name = q->name;
        q->question.query_node = q->node;
    } else {
        snprintf(q->name, sizeof q->name, "%s", question->peek.name);
        q->question.peek.name = q->name;
    }
    q->done = rn_chan_new(sizeof(int), 1, NULL);
    if (q->done != NULL)
        return q;
    query_unref(q);
    return NULL;
}

static int query_submit(rn_node *node, struct query *q)
{
    struct request *r = request_new(REQUEST_QUERY);
    if (r == NULL)
        return -ENOMEM;
    atomic_fetch_add(&q->refs, 1);
    r->query = q;
    int rc = node_submit(node, r);
    if (rc < 0)
        request_free(r);
    return rc;
}

/* Who asked, and what is done with each piece of an answer. */
struct asker {
    void (*channel)(void *arg, const struct wire_channel_info *info); /* or NULL */
    void (*node)(void *arg, const struct wire_node_info *info);       /* or NULL */
    void (*answer)(void *arg, const struct wire_control *answer);     /* or NULL */
    void *arg;
};

static void answer_tell(const struct asker *who, const struct wire_control *c)
{
    for (uint32_t i = 0; who->channel != NULL && i < c->answer.n_channels; i++)
        who->channel(who->arg, &c->answer.channels[i]);
    for (uint32_t i = 0; who->node != NULL && i < c->answer.n_nodes; i++)
        who->node(who->arg, &c->answer.nodes[i]);
    if (who->answer != NULL)
        who->answer(who->arg, c);
}

/* 0, or why there is no answer. */
static int answer_read(const struct query *q, const struct frame *frame, const struct asker *who)
{
    struct frame_view view;
    const char *why = "";
    int rc = frame_read(&view, frame->data, frame->len, &why);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < view.n_controls; i++) {
        const struct wire_control *c = &view.controls[i];
        if (c->what != WIRE_ANSWER || c->bind != q->id)
            continue;
        answer_tell(who, c);
        if (c->answer.code == WIRE_OK)
            continue;
        node_note_error(NULL, c->answer.sentence);
        rc = node_error(c->answer.code, 0);
    }
    frame_view_fini(&view);
    return rc;
}

/* Waits until the answer is complete, or nothing of it has come for so long. */
static int query_wait(struct query *q, rn_time deadline, int64_t patience_ns)
{
    unsigned came = 0;
    int end = 0, rc;
    rn_hold();
    for (;;) {
        rc = rn_chan_recv(q->done, &end, deadline);
        unsigned now = atomic_load_explicit(&q->came, memory_order_relaxed);
        if (rc != RN_ETIMEDOUT || patience_ns == 0 || now == came)
            break;
        came = now;
        deadline = rn_after(patience_ns);
    }
    rn_release();
    return rc == 0 ? end : rc;
}

/* Takes q, which may be NULL: no memory. */
static int ask(rn_node *node, struct query *q, const struct asker *who, rn_time deadline,
               int64_t patience_ns)
{
    if (q == NULL)
        return -ENOMEM;
    int rc = query_submit(node, q); /* from then on the node is not touched: it may be closed */
    if (rc == 0)
        rc = query_wait(q, deadline, patience_ns);
    for (struct answer_frame *a = rc == 0 ? q->frames : NULL; a != NULL && rc == 0; a = a->next)
        rc = answer_read(q, a->frame, who);
    query_unref(q);
    return rc;
}

int rn__node_query(rn_node *node, const char *name,
                   void (*each)(void *arg, const struct wire_channel_info *info), void *arg,
                   rn_time deadline)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct asker who = { .channel = each, .arg = arg };
    struct wire_control question = { .what = WIRE_QUERY,
                                     .query_want = WIRE_CHANNELS,
                                     .query_name = name != NULL ? name : "",
                                     .query_node = "" };
    return ask(node, query_new(&question), &who, deadline, 0);
}

int rn__node_inspect(rn_node *node, enum wire_want want, const char *name,
                     void (*each)(void *arg, const struct wire_node_info *info), void *arg,
                     int64_t patience_ns)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct asker who = { .node = each, .arg = arg };
    if (name == NULL)
        name = "";
    struct wire_control question = { .what = WIRE_QUERY,
                                     .query_want = want,
                                     .query_name = want == WIRE_DUMP ? "" : name,
                                     .query_node = want == WIRE_DUMP ? name : "" };
    return ask(node, query_new(&question), &who, rn_after(patience_ns), patience_ns);
}

int rn__node_ask(rn_node *node, const struct wire_control *question,
                 void (*answer)(void *arg, const struct wire_control *answer), void *arg,
                 rn_time deadline)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct asker who = { .answer = answer, .arg = arg };
    return ask(node, query_new(question), &who, deadline, 0);
}

int rn__node_element(uint32_t flags, const uint8_t *bytes, size_t size, const uint8_t **element,
                     size_t *len)
{
    struct wire_header header;
    int rc = 0;
    *element = bytes;
    *len = size;
    if (flags & WIRE_DEAD)
        rc = dead_read(NULL, bytes, size, element, len);
    if (rc == 0 && (flags & WIRE_HEADED))
        rc = header_read(&header, *element, *len, element, len);
    return rc;
}
