/* request.c - what is asked of the link goroutine, and its answers.   SPDX-License-Identifier: MIT
 *
 * Invariant: after `deaf` no request is accepted, and every one that was is answered. */
#include "node/inside.h"

#include "runtime/assert.h"

#include <stdlib.h>

struct request *request_new(enum request_what what)
{
    struct request *r = calloc(1, sizeof *r);
    if (r != NULL)
        r->what = what;
    return r;
}

void request_side(struct request *r, struct side *side)
{
    r->side = side;
    handle_ref(side->handle);
    rn_chan_ref(side->handle->chan); /* its lock: who asked may have left and let go of it */
}

void request_free(struct request *r)
{
    if (r->side != NULL) {
        rn_chan_unref(r->side->handle->chan);
        handle_unref(r->side->handle);
    }
    if (r->query != NULL)
        query_unref(r->query);
    if (r->inspection != NULL)
        inspection_free(r->inspection);
    rn_chan_unref(r->reply);
    free(r);
}

int node_submit(struct rn_node *n, struct request *r)
{
    pthread_mutex_lock(&n->lock);
    bool deaf = n->deaf;
    if (!deaf) {
        *n->requests_end = r;
        n->requests_end = &r->next;
    }
    pthread_mutex_unlock(&n->lock);
    if (deaf)
        return -ESHUTDOWN;
    node_poke(n);
    return 0;
}

static struct request *node_requests(struct rn_node *n, bool deaf)
{
    pthread_mutex_lock(&n->lock);
    struct request *all = n->requests;
    n->requests = NULL;
    n->requests_end = &n->requests;
    n->deaf |= deaf;
    pthread_mutex_unlock(&n->lock);
    return all;
}

bool node_has_requests(struct rn_node *n)
{
    pthread_mutex_lock(&n->lock);
    bool any = n->requests != NULL;
    pthread_mutex_unlock(&n->lock);
    return any;
}

/* A bind enters the node's tables.  `r` keeps its own reference. */
static void node_admit(struct rn_node *n, struct request *r)
{
    struct side *side = r->side;
    struct handle *h = side->handle;
    side->reply = r->reply;
    r->reply = NULL;
    side->abandoned = false;
    if (n->stage == NODE_CLOSING || h->over) {
        rn__chan_lock(h->chan);
        side->state = SIDE_NONE;
        int rc = h->over ? h->fatal : -ESHUTDOWN;
        handle_check_slowly(h);
        rn__chan_unlock(h->chan);
        traffic_reply(side, rc);
        return;
    }
    if (!h->listed) {
        h->listed = true;
        handle_ref(h);
        rn_chan_ref(h->chan);
        TAILQ_INSERT_TAIL(&n->handles, h, all);
    }
    traffic_bind(n, side);
}

/* Who wanted the bind has left.  What was sent is undone when the answer comes. */
static void node_abandon(struct rn_node *n, struct side *side)
{
    struct handle *h = side->handle;
    rn_chan_unref(side->reply);
    side->reply = NULL;
    side->abandoned = true;
    rn__chan_lock(h->chan);
    if (side->state == SIDE_PENDING)
        side->state = SIDE_NONE;
    if (side->state == SIDE_BOUND) {
        atomic_store(&side->usable, false);
        side->closed = -EBADF;
        side->unbind_due = true;
        if (side->dir == RN_IN)
            handle_forget_ahead(h);
        node_mark(n, h);
    }
    handle_check_slowly(h);
    rn__chan_unlock(h->chan);
    traffic_delist(n, h, -ESHUTDOWN);
}

static void node_close_begin(struct rn_node *n)
{
    if (n->stage == NODE_CLOSING)
        return;
    n->stage = NODE_CLOSING;
    struct handle *h, *next;
    for (h = TAILQ_FIRST(&n->handles); h != NULL; h = next) {
        next = TAILQ_NEXT(h, all);
        handle_fail(h, -ESHUTDOWN);
        for (int dir = 0; dir < 2; dir++) {
            if (h->side[dir].state != SIDE_PENDING)
                continue;
            rn__chan_lock(h->chan);
            h->side[dir].state = SIDE_NONE;
            handle_check_slowly(h);
            rn__chan_unlock(h->chan);
            traffic_reply(&h->side[dir], -ESHUTDOWN);
        }
        traffic_delist(n, h, -ESHUTDOWN);
    }
}

static void node_query(struct rn_node *n, struct query *q)
{
    q->id = ++n->query_ids;
    HASH_ADD_INT(n->queries, id, q);
    traffic_query(n, q);
}

void node_serve_requests(struct rn_node *n)
{
    struct request *r = node_requests(n, false);
    while (r != NULL) {
        struct request *next = r->next;
        switch (r->what) {
        case REQUEST_BIND:
            node_admit(n, r);
            break;
        case REQUEST_ABANDON:
            node_abandon(n, r->side);
            break;
        case REQUEST_QUERY:
            node_query(n, r->query);
            r->query = NULL; /* the table has the reference now */
            break;
        case REQUEST_REPORT:
            inspection_reported(n, r->inspection);
            r->inspection = NULL;
            break;
        case REQUEST_CLOSE:
            node_close_begin(n);
            break;
        case REQUEST_ABORT:
            node_close_begin(n);
            n->aborted = true;
            break;
        case REQUEST_CRASH:
            n->stage = NODE_ENDED;
            break;
        }
        request_free(r);
        r = next;
    }
}

void node_answer_the_rest(struct rn_node *n)
{
    struct request *r = node_requests(n, true);
    while (r != NULL) {
        struct request *next = r->next;
        int rc = -ESHUTDOWN;
        if (r->what == REQUEST_BIND) {
            rn__chan_lock(r->side->handle->chan);
            r->side->state = SIDE_NONE;
            rn__chan_unlock(r->side->handle->chan);
        }
        if (r->query != NULL)
            rn_chan_send(r->query->done, &rc, RN_NOWAIT);
        if (r->reply != NULL)
            rn_chan_send(r->reply, &rc, RN_NOWAIT);
        request_free(r);
        r = next;
    }
}
