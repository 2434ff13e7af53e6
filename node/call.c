/* call.c - requests that wait for their replies; see call.h.   SPDX-License-Identifier: MIT
 *
 * A post is a reply channel and the service goroutine that receives from it.  It is made by the first request, and goes when
 * its session ends, or when for a while nobody has asked anything: so a node that is done with calls has nothing bound.
 *
 * Invariant: while a call waits, or a handle is kept to send requests, there is a post - or it has just gone, and each of its calls
 * finds that out.  Locks: calls, routes, a channel's. */
#include "node/call.h"

#include "node/inside.h"
#include "node/msg.h"
#include "node/op.h"
#include "proto/name.h"
#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <stdlib.h>
#include <string.h>

struct answer {
    int rc;
    rn_bytes bytes;
};

/* On its caller's stack. */
struct call {
    UT_hash_handle hh; /* in calls->waiting, until it is answered */
    uint64_t number;
    struct post *post; /* where its reply comes; only compared */
    rn_chan *done;     /* of struct answer, cap 1 */
};

struct post {
    rn_node *node; /* a reference */
    rn_chan *chan; /* a reference */
    char name[RN_NAME_MAX];
};

/* ---- answering ---- */

/* The call of that number, or any of that post, is out of the table and gets its answer: true. */
static bool answer(struct calls *calls, uint64_t number, const struct post *of,
                   const struct answer *a)
{
    struct call *call = NULL;
    rn_chan *done = NULL;
    rn__lock(&calls->lock);
    if (of == NULL)
        HASH_FIND(hh, calls->waiting, &number, sizeof number, call);
    else
        for (call = calls->waiting; call != NULL && call->post != of;)
            call = call->hh.next;
    if (call != NULL) {
        HASH_DEL(calls->waiting, call);
        done = rn_chan_ref(call->done); /* from then on the call may be gone */
    }
    rn__unlock(&calls->lock);
    if (done == NULL)
        return false;
    int rc = rn__chan_offer(done, a);
    rn_assert(rc == 0);
    rn_chan_unref(done);
    return true;
}

/* ---- the post ---- */

static void post_free(struct post *p)
{
    chan_dismiss(p->chan);
    node_unref(p->node);
    free(p);
}

static void post_deliver(struct calls *calls, rn_msg *m)
{
    const struct wire_header *h = msg_header(m);
    const struct answer a = { .bytes = m->bytes };
    if (h != NULL && answer(calls, h->call, NULL, &a))
        return;
    rn_reached("call: a reply comes that nobody waits for");
    rn_bytes_free(&m->bytes);
}

/* Nobody has asked for a while.  true: the post is closed, and no request finds it any more. */
static bool post_retires(struct post *p)
{
    struct calls *calls = &p->node->calls;
    routes_sweep(&p->node->routes, ROUTE_IDLE_NS);
    rn__lock(&calls->lock);
    bool retires = calls->waiting == NULL && routes_left(&p->node->routes) == 0;
    if (retires)
        calls->post = NULL;
    rn__unlock(&calls->lock);
    return retires;
}

/* Those that wait for replies from it learn that there will be none. */
static void post_end(struct post *p, int rc)
{
    struct calls *calls = &p->node->calls;
    const struct answer none = { .rc = rc == RN_ECLOSED ? RN_EUNKNOWN : rc };
    rn__lock(&calls->lock);
    if (calls->post == p)
        calls->post = NULL;
    rn__unlock(&calls->lock);
    while (answer(calls, 0, p, &none))
        ;
    rn_node *node = node_ref(p->node); /* calls are in it */
    post_free(p);
    rn_waitgroup_done(&calls->posts);
    node_unref(node);
}

static void post_run(void *arg)
{
    struct post *p = arg;
    int rc = 0;
    while (rc == 0) {
        rn_msg m;
        rc = rn_chan_recv(p->chan, &m, rn_after(ROUTE_IDLE_NS));
        if (rc == 0)
            post_deliver(&p->node->calls, &m);
        else if (rc == RN_ETIMEDOUT && !post_retires(p))
            rc = 0;
    }
    post_end(p, rc);
}

static struct post *post_new(rn_node *node, rn_time deadline, int *rc)
{
    struct post *p = malloc(sizeof *p);
    *rc = -ENOMEM;
    if (p == NULL)
        return NULL;
    p->node = node_ref(node);
    p->chan = rn_chan_new(sizeof(rn_msg), 0, NULL);
    if (p->chan != NULL)
        *rc = bind_reply(node, p->name, RN_IN, p->chan, &rn_codec_msg, deadline);
    if (*rc == 0)
        return p;
    post_free(p);
    return NULL;
}

/* Makes one, and lets others find it.  0, or an error of rn_bind. */
static int post_open(rn_node *node, rn_time deadline)
{
    struct calls *calls = &node->calls;
    int rc;
    struct post *p = post_new(node, deadline, &rc);
    if (p == NULL)
        return rc;
    rn__lock(&calls->lock);
    rc = calls->shut ? -ESHUTDOWN : 0;
    if (rc == 0) {
        calls->post = p;
        rn_waitgroup_add(&calls->posts, 1);
    }
    rn__unlock(&calls->lock);
    if (rc == 0) {
        rc = rn__go_system(post_run, p, "runnel calls");
        if (rc < 0)
            post_end(p, rc);
        return rc;
    }
    post_free(p);
    return rc;
}

/* ---- calling ---- */

/* Takes its place among those that wait, under a new number.  1: there is no post. */
static int call_join(struct calls *calls, struct call *call, char reply[RN_NAME_MAX])
{
    rn__lock(&calls->lock);
    int rc = calls->shut ? -ESHUTDOWN : calls->post == NULL ? 1 : 0;
    if (rc == 0) {
        call->post = calls->post;
        call->number = ++calls->numbered;
        strcpy(reply, calls->post->name);
        HASH_ADD(hh, calls->waiting, number, sizeof call->number, call);
    }
    rn__unlock(&calls->lock);
    return rc;
}

/* The same, when there is no post yet. */
static int call_begin(rn_node *node, struct call *call, char reply[RN_NAME_MAX], rn_time deadline)
{
    struct calls *calls = &node->calls;
    int rc = call_join(calls, call, reply);
    while (rc > 0) {
        rc = rn_mutex_lock_until(&calls->making, deadline);
        if (rc < 0)
            return rc;
        rc = call_join(calls, call, reply);
        if (rc > 0) {
            rc = post_open(node, deadline);
            if (rc == 0)
                rc = call_join(calls, call, reply);
        }
        rn_mutex_unlock(&calls->making);
    }
    return rc;
}

static int call_wait(const struct call *call, struct answer *a, rn_time deadline)
{
    /* The answer comes from outside the program: being the only one that waits is no deadlock. */
    rn_hold();
    int rc = rn_chan_recv(call->done, a, deadline);
    rn_release();
    return rc;
}

/* It does not wait any more, because of rc.  Gives that; or what its answer is, if that was faster. */
static int call_leave(struct calls *calls, struct call *call, struct answer *a, int rc)
{
    struct call *found;
    rn__lock(&calls->lock);
    HASH_FIND(hh, calls->waiting, &call->number, sizeof call->number, found);
    if (found != NULL)
        HASH_DEL(calls->waiting, call);
    rn__unlock(&calls->lock);
    if (found != NULL)
        return rc;
    rn_reached("call: a reply comes at the last moment");
    rn_shield(1);
    (void)call_wait(call, a, RN_FOREVER);
    rn_shield(0);
    return a->rc;
}

/* How long the request may wait to be received: until its caller gives up, and at most an eighth longer, so that requests
 * of many callers share a section. */
static uint64_t ttl_ms(rn_time deadline)
{
    uint64_t ms, grain = 1;
    int64_t left_ns = deadline - rn_now();
    if (deadline == RN_FOREVER)
        return 0;
    ms = left_ns > 0 ? (uint64_t)left_ns / RN_MS + 1 : 1;
    while (ms / grain >= 16)
        grain *= 2;
    return (ms + grain - 1) / grain * grain;
}

/* The request is sent under a number that its reply will have.  On error it does not wait. */
static int call_send(rn_node *node, const char *name, struct call *call, const void *bytes,
                     size_t len, rn_time deadline)
{
    char reply[RN_NAME_MAX];
    struct answer a = { 0 };
    int rc = call_begin(node, call, reply, deadline);
    if (rc < 0)
        return rc;
    struct op_with with = { .reply = reply, .call = call->number };
    with.times.ttl_ms = ttl_ms(deadline);
    with.times.flags = with.times.ttl_ms > 0 ? WIRE_TIMED : 0;
    rc = route_send(node, name, bytes, len, &with, deadline);
    if (rc == 0)
        return 0;
    (void)call_leave(&node->calls, call, &a, rc); /* nobody answers what was not sent */
    rn_bytes_free(&a.bytes);
    return rc;
}

/* A call has failed.  If its post has gone meanwhile nobody would ever let go of what it has bound since. */
static void calls_rest(rn_node *node)
{
    rn__lock(&node->calls.lock);
    bool alone = node->calls.post == NULL;
    rn__unlock(&node->calls.lock);
    if (alone)
        routes_sweep(&node->routes, -1);
}

static int call(rn_node *node, const char *name, const void *bytes, size_t len, rn_bytes *reply,
                rn_time deadline)
{
    struct call call = { .done = rn_chan_new(sizeof(struct answer), 1, NULL) };
    struct answer a = { 0 };
    if (call.done == NULL)
        return -ENOMEM;
    int rc = call_send(node, name, &call, bytes, len, deadline);
    if (rc == 0) {
        rc = call_wait(&call, &a, deadline);
        rc = rc == 0 ? a.rc : call_leave(&node->calls, &call, &a, rc);
    }
    rn_chan_unref(call.done);
    if (rc < 0)
        calls_rest(node);
    else
        *reply = a.bytes;
    return rc;
}

int rn_call(rn_node *node, const char *name, const void *bytes, size_t len, rn_bytes *reply,
            rn_time deadline)
{
    if (node == NULL || name == NULL || reply == NULL || (bytes == NULL && len > 0))
        return -EINVAL;
    if (node_forked())
        return -ESHUTDOWN;
    node_ref(node); /* it may be closed while we wait */
    int rc = call(node, name, bytes, len, reply, deadline);
    node_unref(node);
    return rc;
}

int rn_reply(rn_node *node, const rn_msg *request, const void *bytes, size_t len, rn_time deadline)
{
    if (node == NULL || request == NULL || (bytes == NULL && len > 0))
        return -EINVAL;
    if (node_forked())
        return -ESHUTDOWN;
    const struct wire_header *h = msg_header(request);
    /* Only to where replies come: a request must not make us send anywhere else. */
    if (h == NULL || !name_is_reply(h->reply) || name_fault(h->reply) != NULL)
        return -EINVAL;
    const struct op_with with = { .call = h->call };
    node_ref(node);
    int rc = route_send(node, h->reply, bytes, len, &with, deadline);
    node_unref(node);
    return rc == -EPIPE || rc == RN_ECLOSED ? -ENOENT : rc;
}

/* ---- the end ---- */

void calls_shut(struct calls *calls)
{
    rn__lock(&calls->lock);
    calls->shut = true;
    rn__unlock(&calls->lock);
}

void calls_fini(struct calls *calls)
{
    rn_shield(1);
    rn_hold();
    (void)rn_waitgroup_wait(&calls->posts, RN_FOREVER);
    rn_release();
    rn_shield(0);
}
