/* stranded.c - goroutines in every kind of operation while their broker dies: each must come back, and say the truth.
 *   SPDX-License-Identifier: MIT
 *
 *   stranded      prints "ready", waits for SIGUSR1 (the broker is dead now), and prints what each operation gave
 *
 * Exit status 0 when each gave what runnel.h says, in time. */
#include <runnel/runnel.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE (2 * RN_SEC)
#define SLACK (2 * RN_SEC) /* for a machine that is busy */

static rn_node *node;
static rn_chan *results, *dead; /* dead: closed when the broker is */

struct result {
    const char *what;
    int rc;
    int64_t ns; /* since the broker died */
    bool right;
};

static rn_chan *bound(const char *name, enum rn_dir dir, const rn_bind_opts *opts)
{
    rn_chan *c = rn_chan_new(sizeof(int64_t), 0, NULL);
    int rc = rn_bind(node, name, dir, c, &rn_codec_int64, opts, rn_after(30 * RN_SEC));

    if (rc < 0)
        rn_panic("bind %s: %s", name, rn_strerror(rc));
    return c;
}

static void send_now(rn_chan *c)
{
    int64_t element = 1;
    int rc = rn_chan_send(c, &element, rn_after(30 * RN_SEC));

    if (rc < 0)
        rn_panic("send: %s", rn_strerror(rc));
}

/* ---- the operations: each gives its result and says whether it is one that may be ---------------------- */

static int receive(rn_chan *c, bool *right)
{
    int64_t element;
    int rc = rn_chan_recv(c, &element, RN_FOREVER);

    *right = rc == RN_ESESSION && rn_chan_err(c) == RN_ESESSION;
    return rc;
}

static int receive_until(rn_chan *c, bool *right)
{
    int64_t element;
    int rc = rn_chan_recv(c, &element, rn_after(LEASE / 4));

    *right = rc == RN_ETIMEDOUT;
    return rc;
}

static int send_into_full(rn_chan *c, bool *right)
{
    int64_t element = 2;
    int rc = rn_chan_send(c, &element, RN_FOREVER);

    *right = rc == RN_ESESSION;
    return rc;
}

/* It may or may not have had credit when the broker died. */
static int send_confirmed(rn_chan *c, bool *right)
{
    int64_t element = 3;
    int rc = rn_chan_send(c, &element, RN_FOREVER);

    *right = rc == RN_EUNKNOWN || rc == RN_ESESSION;
    return rc;
}

/* All that gave 0 is in doubt, and no more than that. */
static int send_and_flush(rn_chan *c, bool *right)
{
    uint64_t sent = 0;
    int64_t element = 4;
    int rc = 0;

    while (sent < 10 && (rc = rn_chan_send(c, &element, RN_NOWAIT)) == 0)
        sent++;
    rc = rn_flush(c, RN_FOREVER);
    *right = rc == (sent > 0 ? RN_ESESSION : 0) && rn_chan_unsent(c) == sent;
    return rc;
}

static int select_both(rn_chan *c, bool *right)
{
    int64_t element;
    rn_case cases[] = {
        { rn_chan_new(0, 0, NULL), NULL, RN_RECV, 0 },
        { c, &element, RN_RECV, 0 },
    };
    int chosen = rn_select(cases, RN_LEN(cases), RN_FOREVER);

    rn_chan_unref(cases[0].chan);
    *right = chosen == 1 && cases[1].rc == RN_ESESSION;
    return cases[1].rc;
}

static int unbind(rn_chan *c, bool *right)
{
    int rc = rn_unbind(c, RN_FOREVER);

    *right = rc == 0 || rc == RN_ESESSION;
    return rc;
}

static int bind_in_vain(rn_chan *c, bool *right)
{
    int rc = rn_bind(node, "another", RN_IN, c, &rn_codec_int64, NULL, rn_after(LEASE));

    *right = rc == RN_ETIMEDOUT || rc == RN_ESESSION;
    return rc;
}

/* ---- the scene ------------------------------------------------------------------------------------------ */

struct stranded {
    const char *what;
    int (*operation)(rn_chan *c, bool *right);
    rn_chan *chan;
    bool before; /* it is under way when the broker dies, else it begins then */
};

static void strand(void *arg)
{
    struct stranded *s = arg;
    struct result r = { .what = s->what };

    if (!s->before)
        rn_chan_recv(dead, NULL, RN_FOREVER);
    r.rc = s->operation(s->chan, &r.right);
    rn_chan_send(results, &r, RN_FOREVER);
    rn_chan_unref(s->chan);
}

static int run(void *arg)
{
    static const rn_bind_opts one = { .capacity = 1 }, confirm = { .confirm = true };
    rn_node_opts opts = { .lease_ns = LEASE };
    rn_chan *signalled = rn_signal_chan(SIGUSR1), *full;
    rn_time died;
    uint64_t unsent = 0;
    bool all_right = true;
    int rc;

    (void)arg;
    rc = rn_node_open(&node, &opts, rn_after(30 * RN_SEC));
    if (rc < 0)
        rn_panic("open: %s", rn_strerror(rc));
    full = bound("full", RN_OUT, &one);
    send_now(full);
    struct stranded all[] = {
        { "receive", receive, bound("empty", RN_IN, NULL), true },
        { "receive-until", receive_until, bound("empty", RN_IN, NULL), false },
        { "send-into-full", send_into_full, full, true },
        { "send-confirmed", send_confirmed, bound("sink", RN_OUT, &confirm), false },
        { "flush", send_and_flush, bound("sink", RN_OUT, NULL), false },
        { "select", select_both, bound("empty", RN_IN, NULL), true },
        { "unbind", unbind, bound("sink", RN_OUT, NULL), false },
        { "bind", bind_in_vain, rn_chan_new(sizeof(int64_t), 0, NULL), false },
    };
    send_now(all[3].chan);
    send_now(all[4].chan); /* so that both have asked for credit, and have some left */
    results = rn_chan_new(sizeof(struct result), RN_LEN(all), NULL);
    dead = rn_chan_new(0, 0, NULL);
    for (int i = 0; i < RN_LEN(all); i++)
        rn_go_copy(strand, &all[i], sizeof all[i]);
    rn_flush(all[4].chan, rn_after(30 * RN_SEC));
    puts("ready");
    fflush(stdout);
    rn_chan_recv(signalled, NULL, RN_FOREVER);
    rn_chan_unref(signalled);
    died = rn_now();
    rn_chan_close(dead);
    for (int i = 0; i < RN_LEN(all); i++) {
        struct result r;

        rc = rn_chan_recv(results, &r, rn_after(LEASE * 2 + SLACK));
        if (rc < 0)
            rn_panic("%d operations never came back", RN_LEN(all) - i);
        r.ns = rn_now() - died;
        r.right &= r.ns < LEASE + SLACK;
        all_right &= r.right;
        printf("%-15s %5lld ms  %s%s\n", r.what, (long long)(r.ns / RN_MS), rn_strerror(r.rc),
               r.right ? "" : "  WRONG");
    }
    died = rn_now();
    rc = rn_node_close(node, rn_after(LEASE), &unsent);
    printf("%-15s %5lld ms  %s\n", "close", (long long)((rn_now() - died) / RN_MS),
           rn_strerror(rc));
    all_right &= (rc == 0 || rc == RN_ETIMEDOUT) && rn_now() - died < LEASE + SLACK;
    rn_chan_unref(results);
    rn_chan_unref(dead);
    return all_right ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    return rn_main(2, run, NULL);
}
