/* ticker.c - timers that deliver into a channel or start a goroutine; see rn.h.   SPDX-License-Identifier: MIT */
#include "runtime/rn.h"

#include "runtime/assert.h"
#include "runtime/chan.h"
#include "runtime/fiber.h"
#include "runtime/sched.h"
#include "runtime/timer.h"

#include <stdlib.h>

#define SPAWN_AGAIN_NS RN_MS /* when there was no memory for the goroutine */

/* ---- into a channel ---- */

struct ticker {
    struct rn__timer timer;
    rn_chan *chan;    /* not counted: the channel owns us */
    int64_t every_ns; /* 0: once */
};

static rn_time ticker_fire(struct rn__timer *t, rn_time now)
{
    struct ticker *ticker = (struct ticker *)t;
    rn_time next = t->when + ticker->every_ns;

    rn__chan_offer(ticker->chan, &now); /* full: this tick is dropped */
    if (ticker->every_ns == 0)
        return 0;
    if (next <= now) /* late: the ticks between are dropped, the rhythm is kept */
        next += (now - next) / ticker->every_ns * ticker->every_ns + ticker->every_ns;
    return next;
}

static rn_chan *ticker_new(int64_t first_ns, int64_t every_ns)
{
    struct ticker *t = calloc(1, sizeof *t);
    rn_chan *c = rn_chan_new(sizeof(rn_time), 1, NULL);

    if (t == NULL || c == NULL)
        goto fail;
    t->timer.fire = ticker_fire;
    t->chan = c;
    t->every_ns = every_ns;
    if (rn__timer_start(&t->timer, rn_after(first_ns)) < 0)
        goto fail;
    c->timer = &t->timer;
    return c;

fail:
    free(t);
    rn_chan_unref(c);
    return NULL;
}

rn_chan *rn_timer(int64_t ns)
{
    return ticker_new(ns > 0 ? ns : 0, 0);
}

rn_chan *rn_ticker(int64_t ns)
{
    return ns > 0 ? ticker_new(ns, ns) : NULL;
}

/* ---- into a goroutine ---- */

struct rn_timer_fn {
    struct rn__timer timer;
    rn_fn *fn;
    void *arg;
};

/* Most are stopped before they fire, and another is set soon: its memory costs a tenth of both.  Not where the sanitizer is to
 * see that one is used which was stopped. */
#if defined(RN__ASAN) || defined(RN__TSAN)
#define SPARES false
#else
#define SPARES true
#endif

static rn_timer_fn *timer_fn_alloc(void)
{
    struct rn__worker *w = rn__worker();
    rn_timer_fn *t = w != NULL ? w->timers.spare : NULL;

    if (t == NULL)
        return malloc(sizeof *t); /* calloc is three times as slow in glibc */
    w->timers.spare = NULL;
    return t;
}

static void timer_fn_free(rn_timer_fn *t)
{
    struct rn__worker *w = rn__worker();

    if (SPARES && w != NULL && w->timers.spare == NULL)
        w->timers.spare = t;
    else
        free(t);
}

static rn_time timer_fn_fire(struct rn__timer *timer, rn_time now)
{
    struct rn_timer_fn *t = (struct rn_timer_fn *)timer;

    if (rn__spawn(&(struct rn__spawn){ .fn = t->fn, .arg = t->arg, .after = t }) < 0)
        return now + SPAWN_AGAIN_NS;
    if (t->timer.ours)
        free(t);
    return 0;
}

static int timer_fn_new(int64_t ns, rn_fn *fn, void *arg, bool alone, rn_timer_fn **out)
{
    rn_timer_fn *t = timer_fn_alloc();
    int rc;

    if (t == NULL)
        return -ENOMEM;
    *t = (rn_timer_fn){ .timer = { .fire = timer_fn_fire, .ours = alone }, .fn = fn, .arg = arg };
    *out = t; /* before it can fire, and perhaps free itself */
    rc = rn__timer_start(&t->timer, rn_after(ns > 0 ? ns : 0));
    if (rc < 0)
        free(t);
    return rc;
}

rn_timer_fn *rn_after_func(int64_t ns, rn_fn *fn, void *arg)
{
    rn_timer_fn *t;

    return timer_fn_new(ns, fn, arg, false, &t) == 0 ? t : NULL;
}

int rn_timer_stop(rn_timer_fn *t)
{
    int in_time;

    if (t == NULL)
        return 0;
    in_time = rn__timer_stop(&t->timer);
    timer_fn_free(t);
    return in_time;
}

int rn_timer_reset(rn_timer_fn *t, int64_t ns)
{
    return rn__timer_move(&t->timer, rn_after(ns > 0 ? ns : 0));
}

int rn_later(int64_t ns, rn_fn *fn, void *arg)
{
    rn_timer_fn *t;

    return timer_fn_new(ns, fn, arg, true, &t);
}
