/* test_death.c - a death is told as one, to everybody whom it concerns, in bounded time.   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <string.h>

/* ---- senders and receivers die, others go on ---- */

enum death { CRASH, KILLED, STOPPED, DEATHS };

/* The node says nothing more; *node is what is left to be closed. */
static void die(enum death death, const char *name, rn_node **node)
{
    if (death == CRASH) {
        rn__node_crash(*node);
        *node = NULL;
    } else if (death == KILLED) {
        memnet_kill(net, name);
    } else {
        memnet_freeze(net, name, true);
    }
}

static void bury(enum death death, const char *name, rn_node *node)
{
    if (death == STOPPED)
        memnet_freeze(net, name, false);
    if (node != NULL)
        (void)rn_node_close(node, SOON, NULL);
}

static int dead_sender_is_no_close(void *arg)
{
    (void)arg;
    enum death death = (enum death)round_now;
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *b = node_open("b"), *c = node_open("c");
    rn_chan *out = bound(a, "queue", RN_OUT, &(rn_bind_opts){ .capacity = 20 });
    rn_chan *in = bound(b, "queue", RN_IN, NULL);
    for (int i = 0; i < 10; i++)
        check_rc(send_thing(out, SOON), 0);
    check_rc(rn_flush(out, SOON), 0);
    die(death, "a", &a);
    for (int i = 1; i <= 10; i++)
        check(receive_thing(in, SOON) == i);
    check_rc(receive_thing(in, rn_after(3 * LEASE)), RN_ETIMEDOUT);
    check_rc(rn_chan_err(in), 0);
    /* All slots are there for others. */
    rn_chan *other = bound(c, "queue", RN_OUT, NULL);
    for (int i = 0; i < 20; i++)
        check_rc(send_thing(other, SOON), 0);
    rn_chan_close(other);
    for (int i = 11; i <= 30; i++)
        check(receive_thing(in, SOON) == i);
    check_rc(receive_thing(in, SOON), RN_ECLOSED);
    check_rc(send_thing(out, SOON), RN_ESESSION);
    bury(death, "a", a);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(other);
    node_close(b);
    node_close(c);
    cluster_close();
    return 0;
}

/* Three receivers die one after the other with the same elements, which the fourth gets; the sender sees nothing of it but
 * that it waits. */
static int elements_of_dead_receivers_come_again(void *arg)
{
    (void)arg;
    enum death death = (enum death)round_now;
    static const char *const names[] = { "b1", "b2", "b3" };
    rn_node *dead[3];
    rn_chan *ins[3];
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a"), *c = node_open("c");
    rn_chan *out = bound(a, "queue", RN_OUT, &(rn_bind_opts){ .capacity = 10 });
    for (int i = 0; i < 10; i++)
        check_rc(send_thing(out, SOON), 0);
    for (int i = 0; i < 3; i++) {
        dead[i] = node_open(names[i]);
        ins[i] = bound(dead[i], "queue", RN_IN, NULL);
        while (rn_chan_len(ins[i]) < 10)
            rn_sleep(rn_after(RN_MS));
        die(death, names[i], &dead[i]);
    }
    rn_chan *in = bound(c, "queue", RN_IN, NULL);
    for (int i = 1; i <= 10; i++)
        check(receive_thing(in, SOON) == i);
    struct wire_channel_info info = channel_info(a, "queue");
    check(info.accepted == 10);
    check(info.redelivered == 30);
    for (int i = 0; i < 3; i++) {
        check_rc(receive_thing(ins[i], SOON), RN_ESESSION);
        bury(death, names[i], dead[i]);
        rn_chan_unref(ins[i]);
    }
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(a);
    node_close(c);
    cluster_close();
    return 0;
}

/* ---- the broker dies ---- */

/* Whatever waits for it, without a deadline; each in a goroutine of its own. */
enum waiting { SENDS, SENDS_CONFIRMED, RECEIVES, SELECTS, FLUSHES, UNBINDS, BINDS, WAITERS };

static struct waiter {
    rn_node *node;
    rn_chan *chan;
    int rc;
    rn_time ended_at;
} waiters[WAITERS];

static int wait_for_broker(enum waiting what, struct waiter *w)
{
    struct thing t = { 0 };
    rn_case cases[] = { { w->chan, &t, RN_RECV, 0 }, { NULL, NULL, RN_RECV, 0 } };
    switch (what) {
    case RECEIVES:
        return receive_thing(w->chan, RN_FOREVER);
    case SELECTS:
        check(rn_select(cases, 2, RN_FOREVER) == 0);
        return cases[0].rc;
    case FLUSHES:
        return rn_flush(w->chan, RN_FOREVER);
    case UNBINDS:
        return rn_unbind(w->chan, RN_FOREVER);
    case BINDS:
        return rn_bind(w->node, "queue", RN_OUT, w->chan, &thing_codec, NULL, RN_FOREVER);
    default:
        return send_thing(w->chan, RN_FOREVER);
    }
}

static void waiter(void *arg)
{
    struct waiter *w = *(struct waiter **)arg;
    w->rc = wait_for_broker((enum waiting)(w - waiters), w);
    w->ended_at = rn_now();
}

static void prepare(enum waiting what, rn_node *node)
{
    struct waiter *w = &waiters[what];
    rn_bind_opts opts = { .capacity = 40, .confirm = what == SENDS_CONFIRMED };
    char name[32];
    snprintf(name, sizeof name, "queue.%d", (int)what);
    *w = (struct waiter){ .node = node };
    if (what == BINDS) {
        w->chan = rn_chan_new(sizeof(struct thing), 0, NULL);
        return;
    }
    bool in = what == RECEIVES || what == SELECTS;
    w->chan = bound(node, name, in ? RN_IN : RN_OUT, &opts);
    int sent = 0;
    while (!in && what == SENDS && (sent = send_thing(w->chan, rn_after(RN_MS))) == 0)
        continue;
    if (!in && what != SENDS)
        check_rc(send_thing(w->chan, SOON), 0); /* and credit for more */
}

/* Nobody waits for the broker longer than the lease, and nobody takes it for a close.  Who binds goes on in the next session,
 * as everybody else could with a fresh channel. */
static int nobody_hangs_on_a_dead_broker(void *arg)
{
    (void)arg;
    bool told = round_now == 0; /* else it falls silent */
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    rn_group *g = rn_group_new(), *binder = rn_group_new();
    for (int i = 0; i < WAITERS; i++)
        prepare((enum waiting)i, a);
    rn_sleep(rn_after(10 * RN_MS));
    if (told)
        memnet_sever(net, "a", "broker", true);
    cable("a", true);
    rn_sleep(rn_after(RN_MS));
    rn_time begin = rn_now(), last = begin;
    check_rc(send_thing(waiters[FLUSHES].chan, RN_NOWAIT), 0);
    check_rc(send_thing(waiters[UNBINDS].chan, RN_NOWAIT), 0);
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *w = &waiters[i];
        check_rc(rn_group_go(i == BINDS ? binder : g, waiter, &w, sizeof w), 0);
    }
    check_rc(rn_group_wait(g, SOON), 0);
    for (int i = 0; i < WAITERS; i++) {
        /* What has left this process is in doubt, all else was not done. */
        if (i != BINDS)
            check(waiters[i].rc == (i == SENDS_CONFIRMED && !told ? RN_EUNKNOWN : RN_ESESSION));
        last = waiters[i].ended_at > last ? waiters[i].ended_at : last;
    }
    printf("  all are told after %.1f ms\n", (double)(last - begin) / (double)RN_MS);
    check(last - begin <= LEASE);
    check(rn_chan_unsent(waiters[FLUSHES].chan) == 1);
    check(waiters[BINDS].ended_at == 0);
    cable("a", false);
    check_rc(rn_group_wait(binder, SOON), 0);
    check_rc(waiters[BINDS].rc, 0);
    for (int i = 0; i < WAITERS; i++)
        rn_chan_unref(waiters[i].chan);
    node_close(a);
    rn_group_free(g);
    rn_group_free(binder);
    cluster_close();
    return 0;
}

/* ---- failures ---- */

/* Two senders and two receivers, each on a node of its own; who fails it, and what everybody is told. */
static int failure_is_told_to_everybody(void *arg)
{
    (void)arg;
    bool from_in = round_now == 1;
    static const char *const names[] = { "a", "b", "c", "d" };
    rn_node *nodes[4];
    rn_chan *chans[4]; /* the first two send */
    cluster_open(100 * RN_US, 500 * RN_US);
    for (int i = 0; i < 4; i++) {
        nodes[i] = node_open(names[i]);
        chans[i] = bound(nodes[i], "queue", i < 2 ? RN_OUT : RN_IN,
                         &(rn_bind_opts){ .capacity = 40, .prefetch = i < 2 ? 0 : 5 });
    }
    for (int i = 0; i < 20; i++)
        check_rc(send_thing(chans[i % 2], SOON), 0);
    check_rc(rn_flush(chans[0], SOON), 0);
    check_rc(rn_flush(chans[1], SOON), 0);
    int taken = 0;
    for (; taken < 4; taken++)
        check(receive_thing(chans[2 + taken % 2], SOON) > 0);
    rn_chan_fail(chans[from_in ? 2 : 0], -EIO);
    int rc[2] = { 0, 0 };
    while (rc[0] == 0 || rc[1] == 0) { /* until both are told; each may take what it has */
        for (int i = 0; i < 2; i++) {
            int id = rc[i] < 0 ? 0 : receive_thing(chans[2 + i], rn_after(RN_MS));
            taken += id > 0;
            rc[i] = id < 0 && id != RN_ETIMEDOUT ? id : rc[i];
        }
    }
    for (int i = 0; i < 2; i++) {
        check_rc(rc[i], RN_ECLOSED);
        check_rc(rn_chan_err(chans[2 + i]), -EIO);
        int sent = 0;
        while (sent == 0) /* under credit that it had */
            sent = send_thing(chans[i], SOON);
        /* Who fails his own end has closed it; a cancellation is an answer to the senders. */
        check_rc(sent, from_in ? -EIO : RN_ECLOSED);
        check_rc(rn_chan_err(chans[i]), -EIO);
    }
    struct wire_channel_info info = channel_info(nodes[0], "queue");
    check(info.accepted == info.taken + info.dropped_cancelled);
    check(from_in ? info.dropped_cancelled > 0 : info.dropped_cancelled == 0);
    /* What was taken while the cancellation was on its way to that receiver counts as dropped at the home. */
    check(from_in ? info.taken <= (uint64_t)taken : info.taken == 20 && taken == 20);
    for (int i = 0; i < 4; i++) {
        check_rc(rn_unbind(chans[i], SOON), 0);
        rn_chan_unref(chans[i]);
        node_close(nodes[i]);
    }
    cluster_close();
    return 0;
}

struct local_receiver {
    rn_chan *chan;
    struct thing got;
};

static void receive_locally(void *arg)
{
    struct local_receiver *w = *(struct local_receiver **)arg;
    check_rc(rn_chan_recv(w->chan, &w->got, SOON), 0);
}

/* Who waits in it is not ended by a session that it never belonged to. */
static int channel_whose_bind_was_given_up_stays_local(void *arg)
{
    (void)arg;
    bool meets = round_now > 0;
    const rn_bind_opts opts = { .capacity = meets ? RN_RENDEZVOUS : 20 };
    cluster_open(100 * RN_US, 500 * RN_US);
    rn_node *a = node_open("a");
    struct local_receiver w = { .chan = rn_chan_new(sizeof(struct thing), 0, NULL) }, *waiter = &w;
    cable("a", true);
    check_rc(rn_bind(a, "queue", RN_IN, w.chan, &thing_codec, &opts, rn_after(20 * RN_MS)),
             RN_ETIMEDOUT);
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, receive_locally, &waiter, sizeof waiter), 0);
    rn_sleep(rn_after(seed_now % 2 == 0 ? RN_MS : 3 * LEASE)); /* the session goes on, or ends */
    cable("a", false);
    rn_sleep(rn_after(LEASE));
    check_rc(rn_chan_send(w.chan, &(struct thing){ .id = 7 }, SOON), 0);
    check_rc(rn_group_wait(g, SOON), 0);
    check(w.got.id == 7);
    rn_group_free(g);
    rn_chan_unref(w.chan);
    node_close(a);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "dead_sender_is_no_close", dead_sender_is_no_close, DEATHS, 4 },
        { "elements_of_dead_receivers_come_again", elements_of_dead_receivers_come_again, DEATHS,
          4 },
        { "nobody_hangs_on_a_dead_broker", nobody_hangs_on_a_dead_broker, 2, 4 },
        { "failure_is_told_to_everybody", failure_is_told_to_everybody, 2, 8 },
        { "channel_whose_bind_was_given_up_stays_local",
          channel_whose_bind_was_given_up_stays_local, 2, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
