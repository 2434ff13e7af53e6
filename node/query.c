/* query.c - asking a broker what channels it has.   SPDX-License-Identifier: MIT
 *
 * The link goroutine only collects the frames with answers; they are read on the asker's stack. */
#include "node/inside.h"

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

static struct query *query_new(const char *name)
{
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    atomic_init(&q->refs, 1);
    q->frames_end = &q->frames;
    snprintf(q->name, sizeof q->name, "%s", name != NULL ? name : "");
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

static int answer_read(const struct query *q, const struct frame *frame,
                       void (*each)(void *arg, const struct wire_channel_info *info), void *arg)
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
        for (uint32_t k = 0; k < c->answer.n_channels; k++)
            each(arg, &c->answer.channels[k]);
    }
    frame_view_fini(&view);
    return 0;
}

int rn__node_query(rn_node *node, const char *name,
                   void (*each)(void *arg, const struct wire_channel_info *info), void *arg,
                   rn_time deadline)
{
    if (node_forked())
        return -ESHUTDOWN;
    struct query *q = query_new(name);
    if (q == NULL)
        return -ENOMEM;
    int rc = query_submit(node, q); /* from then on the node is not touched: it may be closed */
    if (rc == 0) {
        int end = 0;
        rn_hold();
        rc = rn_chan_recv(q->done, &end, deadline);
        rn_release();
        if (rc == 0)
            rc = end;
    }
    for (struct answer_frame *a = rc == 0 ? q->frames : NULL; a != NULL && rc == 0; a = a->next)
        rc = answer_read(q, a->frame, each, arg);
    query_unref(q);
    return rc;
}
