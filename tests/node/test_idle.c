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

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "a_link_that_has_rested_is_not_down", a_link_that_has_rested_is_not_down, 1, 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
