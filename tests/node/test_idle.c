/* test_idle.c - a session at rest: how little is said in it, and that it is there at once when it is wanted.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define LONG_LEASE (10 * RN_SEC)
#define DELAY      (5 * RN_MS)

static rn_node *idler(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name, .lease_ns = LONG_LEASE };
    check_rc(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON), 0);
    return node;
}

/* However long nothing was said: the deadline passes while the verdict is under way, and the link is up. */
static int a_link_that_has_rested_is_not_down(void *arg)
{
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *node = idler("a");
    rn_chan *out = bound(node, "rested", RN_OUT, &(rn_bind_opts){ .confirm = true });
    check_rc(send_thing(out, SOON), 0); /* now there is credit */
    for (int i = 0; i < 40; i++) {
        rn_sleep(rn_after(i * 100 * RN_MS));
        check_rc(send_thing(out, rn_after(DELAY)), 0);
    }
    rn_chan_unref(out);
    node_close(node);
    cluster_close();
    return 0;
}

#define PINGS 200

static void answer(void *arg)
{
    rn_chan *const *chans = *(rn_chan *const **)arg;
    for (int i = 0; i < PINGS; i++) {
        check(receive_thing(chans[0], SOON) > 0);
        check_rc(send_thing(chans[1], SOON), 0);
    }
}

/* As fast as answers come.  Six if who was handed an element always ran before the link; here that is up to the seed. */
static int a_ping_and_its_answer_take_few_frames(void *arg)
{
    struct memnet_stats before, after;
    (void)arg;
    cluster_open(DELAY, DELAY);
    rn_node *a = idler("a"), *b = idler("b");
    rn_chan *there[] = { bound(b, "ping", RN_IN, NULL), bound(b, "pong", RN_OUT, NULL) };
    rn_chan *here[] = { bound(a, "ping", RN_OUT, NULL), bound(a, "pong", RN_IN, NULL) };
    rn_chan **chans = there;
    rn_group *g = rn_group_new();
    check_rc(rn_group_go(g, answer, &chans, sizeof chans), 0);
    for (int i = 0; i < PINGS; i++) {
        if (i == PINGS / 10)
            memnet_stats(net, &before);
        check_rc(send_thing(here[0], SOON), 0);
        check(receive_thing(here[1], SOON) > 0);
    }
    memnet_stats(net, &after);
    check(after.sent - before.sent <= (PINGS - PINGS / 10) * UINT64_C(7));
    check_rc(rn_group_wait(g, SOON), 0);
    rn_group_free(g);
    for (int i = 0; i < 2; i++) {
        rn_chan_unref(there[i]);
        rn_chan_unref(here[i]);
    }
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "a_link_that_has_rested_is_not_down", a_link_that_has_rested_is_not_down, 1, 1 },
        { "a_ping_and_its_answer_take_few_frames", a_ping_and_its_answer_take_few_frames, 1, 8 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
