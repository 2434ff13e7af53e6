/* test_doubt.c - a send in doubt leaves its parcel with the handle, which gives it to one operation at a time.
 *   SPDX-License-Identifier: MIT */
#include "runtime/sim.h"
#include "tests/node/cluster.h"

#define OTHERS 20 /* that want the processor, too: so who is woken goes on some time later */
#define AFTER  (5 * RN_MS)    /* ... a send gives up */
#define STEP   (15 * RN_US)   /* between rounds; all of them go along what home and node say then */
#define GAP    (1100 * RN_MS) /* a link has to answer in less */

static const rn_bind_opts meets = { .capacity = RN_RENDEZVOUS };
static bool over;

static void want_the_processor(void *arg)
{
    (void)arg;
    while (!over)
        rn_yield();
}

static void send_and_give_up(void *arg)
{
    int rc = send_thing(*(rn_chan **)arg, rn_after(AFTER));
    check(rc == RN_ETIMEDOUT || rc == RN_EUNKNOWN);
}

static void send_one(void *arg)
{
    check_rc(send_thing(*(rn_chan **)arg, SOON), 0);
}

/* With the lease that nodes have by themselves: a connection is borne with for longer than the gap. */
static rn_node *node_open_patiently(const char *name)
{
    rn_node *node = NULL;
    rn_node_opts opts = { .name = name };
    check_rc(rn__node_open_on(&node, &opts, memnet_endpoint(net, name), "mem://broker", SOON), 0);
    return node;
}

/* A send waits for its offer to be given back when the machine is suspended.  What is found afterwards is that the link has not
 * answered for a second, so the send gives up; and then the answer comes, in some rounds before the send has gone on. */
static int its_parcel_is_given_back_once(void *arg)
{
    (void)arg;
    cluster_open(20 * RN_US, 500 * RN_US);
    rn_node *a = node_open_patiently("a"), *b = node_open_patiently("b");
    rn_chan *out = bound(a, "meet", RN_OUT, &meets), *in = bound(b, "meet", RN_IN, NULL);
    rn_chan *aside = bound(a, "aside", RN_OUT, NULL);
    rn_group *g = rn_group_new(), *others = rn_group_new();
    check_rc(send_thing(aside, SOON), 0);
    check_rc(rn_flush(aside, SOON), 0);

    over = false;
    for (int i = 0; i < OTHERS; i++)
        check_rc(rn_group_go(others, want_the_processor, NULL, 0), 0);
    check_rc(rn_group_go(g, send_and_give_up, &out, sizeof out), 0);
    rn_sleep(rn_after(AFTER + (int64_t)round_now * STEP));
    rn__sim_suspend(GAP);
    check_rc(send_thing(aside, RN_NOWAIT), 0); /* so that the link goroutine looks */
    check_rc(rn_group_wait(g, SOON), 0);
    over = true;
    check_rc(rn_group_wait(others, SOON), 0);

    uint32_t before = things_made();
    check_rc(rn_group_go(g, send_one, &out, sizeof out), 0);
    check_rc(rn_group_go(g, send_one, &out, sizeof out), 0);
    check(receive_thing(in, SOON) > 0);
    check(receive_thing(in, SOON) > 0);
    check_rc(rn_group_wait(g, SOON), 0);
    for (uint32_t id = before + 1; id <= things_made(); id++)
        check(thing_fate(id)->came == 1);

    rn_group_free(g);
    rn_group_free(others);
    rn_chan_unref(out);
    rn_chan_unref(in);
    rn_chan_unref(aside);
    node_close(a);
    node_close(b);
    cluster_close();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fact facts[] = {
        { "its_parcel_is_given_back_once", its_parcel_is_given_back_once, 80, 20 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
