/* route.c - handles that the node itself keeps; see route.h.   SPDX-License-Identifier: MIT */
#include "node/route.h"

#include "node/inside.h"
#include "node/op.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

struct route {
    UT_hash_handle hh;
    rn_chan *chan; /* a reference */
    rn_time used;
    char name[];
};

/* ---- elements are bytes that the sender has ---- */

struct view {
    const void *bytes;
    size_t len;
};

static int view_encode(const void *ctx, const void *elem, rn_buf *out)
{
    const struct view *v = elem;
    (void)ctx;
    return rn_buf_append(out, v->bytes, v->len);
}

static const rn_codec view_codec = { .elemsize = sizeof(struct view), .encode = view_encode };

/* ---- letting go ---- */

/* Is its handle of no more use? */
static bool chan_is_over(rn_chan *c)
{
    struct handle *h = handle_of(c);
    if (h == NULL)
        return true;
    rn__chan_lock(c);
    bool over = h->fatal < 0 || h->side[RN_OUT].closed < 0;
    rn__chan_unlock(c);
    handle_unref(h);
    return over;
}

/* Out of the table, which is locked. */
static rn_chan *take_out(struct routes *r, struct route *route)
{
    rn_chan *c = route->chan;
    HASH_DEL(r->all, route);
    r->n--;
    free(route);
    return c;
}

/* One that is over, was not used since, or, if there are too many, the one that was not used for longest; else NULL. */
static rn_chan *one_too_many(struct routes *r, rn_time until)
{
    struct route *route, *next, *oldest = NULL;
    rn_chan *c = NULL;
    rn__lock(&r->lock);
    HASH_ITER(hh, r->all, route, next) {
        if (chan_is_over(route->chan))
            route->used = INT64_MIN;
        if (oldest == NULL || route->used < oldest->used)
            oldest = route;
    }
    if (oldest != NULL && (r->n > ROUTES_MAX || oldest->used < until))
        c = take_out(r, oldest);
    rn__unlock(&r->lock);
    return c;
}

void routes_sweep(struct routes *r, int64_t idle_ns)
{
    rn_time until = rn_now() - idle_ns;
    rn_chan *c;
    while ((c = one_too_many(r, until)) != NULL)
        chan_dismiss(c);
}

uint32_t routes_left(struct routes *r)
{
    rn__lock(&r->lock);
    uint32_t n = r->n;
    rn__unlock(&r->lock);
    return n;
}

void routes_shut(struct routes *r)
{
    rn__lock(&r->lock);
    r->shut = true;
    rn__unlock(&r->lock);
}

void routes_fini(struct routes *r)
{
    rn_chan *c;
    do {
        rn__lock(&r->lock);
        c = r->all != NULL ? take_out(r, r->all) : NULL;
        rn__unlock(&r->lock);
        rn_chan_unref(c);
    } while (c != NULL);
}

/* The handle is over: it is not to be found any more. */
static void forget(struct routes *r, const char *name, const rn_chan *c)
{
    struct route *route;
    rn_chan *had = NULL;
    rn__lock(&r->lock);
    HASH_FIND_STR(r->all, name, route);
    if (route != NULL && route->chan == c)
        had = take_out(r, route);
    rn__unlock(&r->lock);
    if (had != NULL)
        chan_dismiss(had);
}

/* ---- finding ---- */

/* With a reference; NULL: there is none.  *rc: -ESHUTDOWN, or 0. */
static rn_chan *find(struct routes *r, const char *name, int *rc)
{
    struct route *route = NULL;
    rn_chan *c = NULL;
    rn__lock(&r->lock);
    *rc = r->shut ? -ESHUTDOWN : 0;
    if (!r->shut)
        HASH_FIND_STR(r->all, name, route);
    if (route != NULL) {
        route->used = rn_now();
        c = rn_chan_ref(route->chan);
    }
    rn__unlock(&r->lock);
    return c;
}

/* 0, and the table has a reference; -ENOMEM, -ESHUTDOWN. */
static int keep(struct routes *r, const char *name, rn_chan *c)
{
    struct route *route = malloc(sizeof *route + strlen(name) + 1);
    if (route == NULL)
        return -ENOMEM;
    strcpy(route->name, name);
    route->chan = c;
    route->used = rn_now();
    rn__lock(&r->lock);
    int rc = r->shut ? -ESHUTDOWN : 0;
    if (rc == 0) {
        HASH_ADD_KEYPTR(hh, r->all, route->name, (unsigned)strlen(route->name), route);
        r->n++;
        rn_chan_ref(c);
    }
    rn__unlock(&r->lock);
    if (rc < 0)
        free(route);
    return rc;
}

static rn_chan *bind_new(rn_node *node, const char *name, rn_time deadline, int *rc)
{
    rn_chan *c = rn_chan_new(sizeof(struct view), 0, NULL);
    *rc = c != NULL ? bind_leaving(node, name, c, &view_codec, deadline) : -ENOMEM;
    if (*rc < 0) {
        rn_chan_unref(c);
        return NULL;
    }
    *rc = keep(&node->routes, name, c);
    if (*rc == 0)
        return c;
    chan_dismiss(c);
    return NULL;
}

/* With a reference; NULL: *rc says why. */
static rn_chan *get(rn_node *node, const char *name, rn_time deadline, int *rc)
{
    struct routes *r = &node->routes;
    rn_chan *c = find(r, name, rc);
    if (c != NULL || *rc < 0)
        return c;
    *rc = rn_mutex_lock_until(&r->binding, deadline);
    if (*rc < 0)
        return NULL;
    c = find(r, name, rc);
    if (c == NULL && *rc == 0)
        c = bind_new(node, name, deadline, rc);
    rn_mutex_unlock(&r->binding);
    routes_sweep(r, ROUTE_IDLE_NS);
    return c;
}

/* A rendezvous holds nothing, so nothing expires there. */
static bool expires(rn_chan *c)
{
    struct handle *h = handle_of(c);
    if (h == NULL)
        return false;
    rn__chan_lock(c);
    bool yes = !handle_meets(h);
    rn__chan_unlock(c);
    handle_unref(h);
    return yes;
}

static int send_on(rn_chan *c, const struct view *view, const struct op_with *with,
                   rn_time deadline)
{
    struct op_with plain = *with;
    plain.times = (struct manner){ 0 };
    bool timed = with->times.flags != 0 && expires(c);
    return rn__chan_send_with(c, view, timed ? with : &plain, deadline);
}

int route_send(rn_node *node, const char *name, const void *bytes, size_t len,
               const struct op_with *with, rn_time deadline)
{
    const struct view view = { bytes, len };
    for (;;) {
        int rc;
        rn_chan *c = get(node, name, deadline, &rc);
        if (c == NULL)
            return rc;
        rc = send_on(c, &view, with, deadline);
        bool over = rc < 0 && chan_is_over(c);
        if (over)
            forget(&node->routes, name, c);
        rn_chan_unref(c);
        /* Nothing was sent: the session has ended, or it was not used for too long. */
        if (!over || (rc != RN_ESESSION && rc != RN_EHOMELOST && rc != -ESHUTDOWN))
            return rc;
        rn_reached_if(rc == RN_ESESSION, "route: a request goes on under another session");
    }
}
