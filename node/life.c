/* life.c - a node is opened, closed, or dies.   SPDX-License-Identifier: MIT */
#include "node/inside.h"

#include "runtime/assert.h"
#include "runtime/rand.h"
#include "runtime/sched.h"
#include "runtime/sim.h"

#include <stdlib.h>
#include <string.h>

/* ---- fork ---- */

atomic_bool node_is_forked; /* set in the child, which has one thread then */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;
static uint8_t process_instance[16];

/* Who this process is to every broker: operations of several nodes in it may meet each other. */
static void process_begin(void)
{
    rn__entropy(process_instance, sizeof process_instance);
}

static void instance_of_process(uint8_t instance[16])
{
    if (rn__sim_active()) {
        /* A simulation is a process of its own; what is drawn in it must not depend on those that were before. */
        uint64_t seed = rn__sim_seed();
        memcpy(instance, &seed, sizeof seed);
        return;
    }
    pthread_once(&process_once, process_begin);
    memcpy(instance, process_instance, sizeof process_instance);
}

static void fork_child(void)
{
    atomic_store(&node_is_forked, true);
}

static void fork_watch(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}

/* ---- opening ---- */

void node_opened(struct rn_node *n, int rc)
{
    if (n->stage != NODE_OPENING)
        return;
    n->stage = rc == 0 ? NODE_OPEN : NODE_ENDED;
    rn_chan_send(n->opened, &rc, RN_NOWAIT);
}

static uint64_t node_random(void *arg)
{
    (void)arg;
    return rn__rand64();
}

/* Copies a list of URLs without its commas.  0, -EINVAL or -ENOMEM. */
static int node_urls(struct rn_node *n, const char *list)
{
    n->urls = strdup(list);
    if (n->urls == NULL)
        return -ENOMEM;
    n->n_urls = 1;
    for (char *at = n->urls; *at != '\0'; at++) {
        if (*at != ',')
            continue;
        *at = '\0';
        n->n_urls++;
    }
    for (unsigned i = 0; i < n->n_urls; i++) {
        const char *colon = strstr(node_url(n, i), "://");
        if (colon == NULL || colon == node_url(n, i) || colon[3] == '\0')
            return -EINVAL;
    }
    return 0;
}

static struct rn_node *node_new(const rn_node_opts *opts, const char *url, int *rc)
{
    struct rn_node *n = calloc(1, sizeof *n);
    *rc = -ENOMEM;
    if (n == NULL)
        return NULL;
    atomic_init(&n->refs, 1);
    pthread_mutex_init(&n->lock, NULL);
    n->requests_end = &n->requests;
    TAILQ_INIT(&n->handles);
    TAILQ_INIT(&n->turns);
    TAILQ_INIT(&n->parked);
    TAILQ_INIT(&n->meets);
    TAILQ_INIT(&n->times);
    n->yield_ns = n->expire_ns = INT64_MAX;
    keyed_init(&n->sides, 0); /* the numbers are our own: nobody can choose them to collide */
    n->name = strdup(opts->name);
    n->opened = rn_chan_new(sizeof(int), 1, NULL);
    n->ended = rn_chan_new(sizeof(struct ending), 1, NULL);
    n->lease_ms = (uint64_t)((opts->lease_ns + RN_MS - 1) / RN_MS);
    if (n->name == NULL || n->opened == NULL || n->ended == NULL)
        goto fail;
    *rc = node_urls(n, url);
    if (*rc < 0)
        goto fail;
    instance_of_process(n->instance);
    struct uplink_opts uplink = {
        .lease_ns = opts->lease_ns > 0 ? opts->lease_ns : WIRE_LEASE_DEFAULT_MS * RN_MS,
        .urls = n->n_urls,
        .random = node_random,
    };
    uplink_init(&n->uplink, &uplink, rn__boottime());
    return n;

fail:
    node_unref(n);
    return NULL;
}

/* What the node has for itself ends with it.  Takes n. */
static void node_has_ended(struct rn_node *n)
{
    calls_fini(&n->calls);
    routes_fini(&n->routes);
    node_unref(n);
}

/* Asks the link goroutine to end, and waits until it has. */
static struct ending node_stop(struct rn_node *n, enum request_what what)
{
    struct ending ending = { .rc = -ESHUTDOWN };
    struct request *r = request_new(what);
    calls_shut(&n->calls);
    routes_shut(&n->routes);
    rn_shield(1);
    rn_hold();
    while (r == NULL) { /* there is no other way to end */
        rn_sleep(rn_after(STARVED_NS));
        r = request_new(what);
    }
    if (node_submit(n, r) < 0)
        request_free(r); /* it ends already */
    rn_chan_recv(n->ended, &ending, RN_FOREVER);
    rn_release();
    rn_shield(0);
    node_has_ended(n);
    return ending;
}

int rn__node_open_on(rn_node **node, const rn_node_opts *opts, struct link *link, const char *url,
                     rn_time deadline)
{
    pthread_once(&fork_once, fork_watch);
    rn_node_opts o = opts != NULL ? *opts : (rn_node_opts){ 0 };
    if (o.name == NULL)
        o.name = "node";
    int rc = -EINVAL;
    struct rn_node *n = o.lease_ns < 0 ? NULL : node_new(&o, url, &rc);
    if (n == NULL) {
        link_close(link);
        return rc;
    }
    n->link = link;
    node_ref(n); /* the link goroutine's */
    rc = rn__go_system(node_run, n, "runnel link");
    if (rc < 0) {
        link_close(link);
        node_unref(n);
        node_unref(n);
        return rc;
    }
    rn_hold();
    int result = 0;
    rc = rn_chan_recv(n->opened, &result, deadline);
    rn_release();
    if (rc == 0)
        rc = result;
    if (rc < 0) {
        char why[WIRE_TEXT_MAX + 1];
        rn_node_last_error(n, why, sizeof why);
        node_note_error(NULL, why);
        node_stop(n, REQUEST_CRASH);
        return rc;
    }
    *node = n;
    return 0;
}

/* ---- closing ---- */

int rn_node_close(rn_node *node, rn_time deadline, uint64_t *unsent)
{
    if (unsent != NULL)
        *unsent = 0;
    if (node == NULL)
        return 0;
    if (node_forked())
        return -ESHUTDOWN;
    struct ending ending = { 0 };
    struct request *r = request_new(REQUEST_CLOSE);
    int rc = -ENOMEM;
    calls_shut(&node->calls);
    routes_shut(&node->routes);
    if (r != NULL) {
        if (node_submit(node, r) < 0)
            request_free(r);
        rn_hold();
        rc = rn_chan_recv(node->ended, &ending, deadline);
        rn_release();
    }
    if (rc == 0)
        node_has_ended(node);
    else
        ending = node_stop(node, REQUEST_ABORT);
    if (unsent != NULL)
        *unsent = ending.unsent;
    return ending.rc;
}

void rn__node_crash(rn_node *node)
{
    if (node != NULL)
        node_stop(node, REQUEST_CRASH);
}
