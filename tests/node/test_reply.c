/* test_reply.c - reply channels: made under a new name, bound by who is told it, gone with who made it.
 *   SPDX-License-Identifier: MIT */
#include "tests/node/cluster.h"

#include <string.h>

static rn_node *a, *b;

static rn_chan *made(enum rn_dir dir, char name[RN_NAME_MAX])
{
    rn_chan *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    check_rc(rn_reply_channel(a, dir, c, &thing_codec, name), 0);
    return c;
}

static int bind_to(const char *name, enum rn_dir dir)
{
    rn_chan *c = rn_chan_new(sizeof(struct thing), 0, NULL);
    int rc = rn_bind(b, name, dir, c, &thing_codec, NULL, SOON);
    rn_chan_unref(c);
    return rc;
}

static bool is_there(const char *name)
{
    return channel_info(b, name).incarnation != 0;
}

static int who_has_the_name_binds_it(void *arg)
{
    enum rn_dir dir = round_now == 0 ? RN_IN : RN_OUT;
    char name[RN_NAME_MAX], other[RN_NAME_MAX];
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *mine = made(dir, name), *yours = bound(b, name, dir == RN_IN ? RN_OUT : RN_IN, NULL);
    rn_chan *second = made(dir, other);
    check(strlen(name) == strlen("reply:") + 32 && strcmp(name, other) != 0);
    for (int i = 1; i <= 100; i++) {
        check_rc(send_thing(dir == RN_IN ? yours : mine, SOON), 0);
        check_rc(receive_thing(dir == RN_IN ? mine : yours, SOON), i);
    }
    check_rc(rn_unbind(mine, SOON), 0);
    check_rc(bind_to(name, RN_OUT), -ENOENT);
    check_rc(rn_unbind(yours, SOON), 0);
    check_rc(rn_unbind(second, SOON), 0);
    check(!is_there(name) && !is_there(other));
    rn_chan_unref(mine);
    rn_chan_unref(yours);
    rn_chan_unref(second);
    cluster_close_two(a, b);
    return 0;
}

static int nobody_makes_one_by_its_name(void *arg)
{
    (void)arg;
    cluster_open_two(&a, &b);
    check_rc(bind_to("reply:0123456789abcdef0123456789abcdef", RN_OUT), -ENOENT);
    check_rc(bind_to("reply:0123456789abcdef0123456789abcdef", RN_IN), -ENOENT);
    check_rc(bind_to("reply:", RN_IN), -EINVAL);
    check_rc(bind_to("reply:a.b", RN_IN), -EINVAL);
    check_rc(bind_to("reply:a.dead", RN_IN), -EINVAL);
    cluster_close_two(a, b);
    return 0;
}

enum end { UNBIND, NODE_CLOSE, CRASH, CUT, ENDS };

static void maker_goes(rn_chan *mine, enum end how)
{
    if (how == UNBIND)
        check_rc(rn_unbind(mine, SOON), 0);
    else if (how == NODE_CLOSE)
        node_close(a);
    else if (how == CRASH)
        rn__node_crash(a);
    else
        cable("a", true);
    if (how == CUT) {
        int rc = 0;
        while (rc >= 0)
            rc = receive_thing(mine, SOON);
        check_rc(rc, RN_ESESSION);
        cable("a", false);
    } else if (how != UNBIND) {
        a = node_open("another a");
    }
}

static int who_sends_is_told_that_its_maker_has_gone(void *arg)
{
    enum end how = (enum end)round_now;
    char name[RN_NAME_MAX];
    int rc = 0;
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *mine = made(RN_IN, name), *yours = bound(b, name, RN_OUT, NULL);
    check_rc(send_thing(yours, SOON), 0);
    check_rc(receive_thing(mine, SOON), 1);
    check_rc(send_thing(yours, SOON), 0); /* nobody ever takes that one */
    check_rc(rn_flush(yours, SOON), 0);
    maker_goes(mine, how);
    while (rc == 0)
        rc = send_thing(yours, rn_after(4 * LEASE));
    check_rc(rc, -EPIPE);
    check_rc(rn_chan_err(yours), -EPIPE);
    check_rc(bind_to(name, RN_OUT), -ENOENT);
    check_rc(bind_to(name, RN_IN), -ENOENT);
    check_rc(rn_unbind(yours, SOON), 0);
    check(!is_there(name));
    rn_chan_unref(mine);
    rn_chan_unref(yours);
    cluster_close_two(a, b);
    return 0;
}

static int who_receives_is_told_so_too(void *arg)
{
    enum end how = (enum end)round_now;
    char name[RN_NAME_MAX];
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *mine = made(RN_OUT, name), *yours = bound(b, name, RN_IN, NULL);
    check_rc(send_thing(mine, SOON), 0);
    check_rc(receive_thing(yours, SOON), 1);
    if (how == CUT) {
        cable("a", true);
        rn_sleep(rn_after(2 * LEASE));
    } else {
        maker_goes(mine, how);
    }
    check_rc(receive_thing(yours, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(yours), -EPIPE);
    if (how == CUT)
        cable("a", false);
    check_rc(rn_unbind(yours, SOON), 0);
    check(!is_there(name));
    rn_chan_unref(mine);
    rn_chan_unref(yours);
    cluster_close_two(a, b);
    return 0;
}

static int what_its_maker_has_closed_is_received_to_the_end(void *arg)
{
    char name[RN_NAME_MAX];
    (void)arg;
    cluster_open_two(&a, &b);
    rn_chan *mine = made(RN_OUT, name), *yours = bound(b, name, RN_IN, NULL);
    for (int i = 0; i < 100; i++)
        check_rc(send_thing(mine, SOON), 0);
    rn_chan_close(mine);
    maker_goes(mine, round_now == 0 ? UNBIND : NODE_CLOSE);
    for (int i = 1; i <= 100; i++)
        check_rc(receive_thing(yours, SOON), i);
    check_rc(receive_thing(yours, SOON), RN_ECLOSED);
    check_rc(rn_chan_err(yours), 0);
    rn_chan_unref(mine);
    rn_chan_unref(yours);
    cluster_close_two(a, b);
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "who_has_the_name_binds_it", who_has_the_name_binds_it, 2, 4 },
        { "nobody_makes_one_by_its_name", nobody_makes_one_by_its_name, 1, 1 },
        { "who_sends_is_told_that_its_maker_has_gone", who_sends_is_told_that_its_maker_has_gone,
          ENDS, 4 },
        { "who_receives_is_told_so_too", who_receives_is_told_so_too, ENDS, 4 },
        { "what_its_maker_has_closed_is_received_to_the_end",
          what_its_maker_has_closed_is_received_to_the_end, 2, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
