/* inspection.c - the broker's questions about goroutines, and who answers them.   SPDX-License-Identifier: MIT
 *
 * The link goroutine does not look itself: reading the names of functions takes long.  For each Report that is wanted a service
 * goroutine starts, which has a thread make it and hands it back as a request; the request is there before it starts,
 * so it can always come back.
 *
 * Invariant: while an inspection is `busy` its sight and report are that goroutine's, else the link goroutine's. */
#include "node/inspection.h"

#include "node/inside.h"
#include "node/sight.h"
#include "runtime/assert.h"
#include "runtime/sched.h"
#include "runtime/sim.h"

#include <stdlib.h>
#include <utlist.h>

#define INSPECTIONS_MAX 64 /* more are not answered: then the broker says so */

struct inspection {
    struct rn_node *node; /* a reference */
    uint32_t id;
    bool busy;
    bool ended; /* not wanted any more; goes when it comes back */
    struct sight *sight;
    struct wire_control report;
    int rc;                  /* of making the report */
    struct request *request; /* by which it comes back; while busy */
    struct inspection *prev, *next;
};

void inspection_free(struct inspection *i)
{
    sight_free(i->sight);
    node_unref(i->node);
    free(i);
}

static void inspection_forget(struct rn_node *n, struct inspection *i)
{
    DL_DELETE(n->inspections, i);
    inspection_free(i);
}

/* ---- who makes a Report ---- */

static void report_make(void *arg)
{
    struct inspection *i = arg;
    i->rc = sight_report(i->sight, &i->report);
}

static void reporter(void *arg)
{
    struct inspection *i = arg;
    struct request *r = i->request;
    sight_skip(i->sight, rn__self()->id);
    /* A simulation stays as its seed says only if all happens on its own thread. */
    if (rn__sim_active())
        report_make(i);
    else if (rn_block(report_make, i) < 0)
        i->rc = -ENOMEM;
    i->request = NULL;
    if (node_submit(i->node, r) < 0)
        request_free(r); /* and the inspection in it */
}

/* 0 or -ENOMEM. */
static int report_begin(struct inspection *i)
{
    i->request = request_new(REQUEST_REPORT);
    if (i->request == NULL)
        return -ENOMEM;
    i->request->inspection = i;
    i->busy = true;
    int rc = rn__go_system(reporter, i, "runnel inspection");
    if (rc == 0)
        return 0;
    i->busy = false;
    i->request->inspection = NULL;
    request_free(i->request);
    return rc;
}

/* ---- the link goroutine's ---- */

static struct inspection *inspection_find(struct rn_node *n, uint32_t id)
{
    struct inspection *i;
    DL_SEARCH_SCALAR(n->inspections, i, id, id);
    return i;
}

/* NULL: no memory. */
static struct inspection *inspection_new(struct rn_node *n, const struct wire_control *c)
{
    struct inspection *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    i->node = node_ref(n);
    i->id = c->bind;
    i->report = (struct wire_control){ .what = WIRE_REPORT, .bind = c->bind };
    i->sight = sight_new(c->inspect.channel);
    int rc = i->sight != NULL ? 0 : -ENOMEM;
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    if (rc == 0)
        rc = sight_handle(i->sight, h);
    if (rc == 0)
        return i;
    inspection_free(i);
    return NULL;
}

static void inspection_end(struct rn_node *n, struct inspection *i)
{
    if (i->busy)
        i->ended = true;
    else
        inspection_forget(n, i);
}

void inspection_input(struct rn_node *n, const struct wire_control *c)
{
    struct inspection *i = inspection_find(n, c->bind);
    int count;
    if (c->inspect.end) {
        if (i != NULL)
            inspection_end(n, i);
        return;
    }
    if (i == NULL) {
        DL_COUNT(n->inspections, i, count);
        i = count < INSPECTIONS_MAX ? inspection_new(n, c) : NULL;
        if (i == NULL)
            return; /* the broker will say that we gave no answer */
        DL_APPEND(n->inspections, i);
    }
    if (!i->busy && report_begin(i) < 0)
        inspection_forget(n, i);
}

void inspection_reported(struct rn_node *n, struct inspection *i)
{
    rn_assert(i->busy);
    i->busy = false;
    if (i->ended || i->rc < 0 || session_control(n->session, &i->report) < 0 ||
        i->report.report.last)
        inspection_forget(n, i);
}

void inspections_end(struct rn_node *n)
{
    struct inspection *i, *next;
    DL_FOREACH_SAFE(n->inspections, i, next)
        inspection_end(n, i);
}
