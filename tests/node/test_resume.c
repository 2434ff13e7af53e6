/* test_resume.c - a link that breaks or stalls at any frame changes nothing that a program sees.
 *   SPDX-License-Identifier: MIT
 *
 * Goal: whatever travels - data, credit, withdrawals, recalls, taken-marks, closes, binds - survives the loss of the
 * connection at each frame boundary, within the lease.  Method: a script of operations whose results are all written
 * down is played without a fault, then once per frame and fault; what it has written down must be the same, and every
 * thing is with exactly one side. */
#include "tests/node/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what the program saw ---- */

static struct account {
    char text[8000];
    size_t len;
} seen, undisturbed;

__attribute__((format(printf, 1, 2))) static void write_down(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(seen.text + seen.len, sizeof seen.text - seen.len, format, args);
    va_end(args);
    check(n >= 0);
    seen.len += (size_t)n;
    check(seen.len < sizeof seen.text);
}

static void write_rc(const char *what, int rc)
{
    write_down("%s %s\n", what, rn_strerror(rc));
}

/* ---- the script ---- */

static rn_node *a, *b, *c;
static rn_chan *a_out, *a_sure, *b_in, *b_sure, *c_out, *c_in;

static void bind_all(void)
{
    rn_chan *none = rn_chan_new(sizeof(struct thing), 0, NULL);
    a_out = bound(a, "queue", RN_OUT, &(rn_bind_opts){ .capacity = 8 });
    b_in = bound(b, "queue", RN_IN, NULL);
    a_sure = bound(a, "sure", RN_OUT, &(rn_bind_opts){ .confirm = true });
    b_sure = bound(b, "sure", RN_IN, NULL);
    write_rc("mismatch", rn_bind(b, "queue", RN_OUT, none, &thing_codec,
                                 &(rn_bind_opts){ .capacity = 9 }, SOON));
    write_rc("missing", rn_bind(c, "none", RN_IN, none, &thing_codec,
                                &(rn_bind_opts){ .must_exist = true }, SOON));
    rn_chan_unref(none);
}

struct stream {
    rn_chan *chan;
    int n;
};

static void send_stream(void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < s->n; i++)
        check_rc(send_thing(s->chan, SOON), 0);
}

static void receive_some(const char *who, rn_chan *chan, int n)
{
    write_down("%s", who);
    for (int i = 0; i < n; i++)
        write_down(" %d", receive_thing(chan, SOON));
    write_down("\n");
}

/* Data, and credit that comes back by what is taken. */
static void stream(rn_group *g)
{
    struct stream s = { a_out, 30 };
    check_rc(rn_group_go(g, send_stream, &s, sizeof s), 0);
    receive_some("b", b_in, s.n);
}

static void confirm(void)
{
    for (int i = 0; i < 3; i++)
        write_rc("confirmed", send_thing(a_sure, SOON));
    receive_some("sure", b_sure, 3);
}

/* Operations that wait and give up.  8 things stay with b, untaken. */
static void withdraw(void)
{
    write_rc("empty", receive_thing(b_in, rn_after(5 * RN_MS)));
    send_stream(&(struct stream){ a_out, 8 });
    write_rc("full", send_thing(a_out, rn_after(5 * RN_MS)));
    write_rc("still full", send_thing(a_out, rn_after(5 * RN_MS)));
}

/* What b does not take is recalled for c. */
static void recall_elements(void)
{
    c_in = bound(c, "queue", RN_IN, &(rn_bind_opts){ .prefetch = 1 });
    uint32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        int id = receive_thing(c_in, SOON);
        check(id > 0);
        sum += (uint32_t)id;
    }
    write_down("c sums up to %u\n", sum);
    write_rc("c unbinds", rn_unbind(c_in, SOON));
}

/* Credit that was lent to a, and that it does not use, is recalled for c. */
static void recall_credit(rn_group *g)
{
    write_rc("lent", send_thing(a_out, SOON));
    write_rc("flushed", rn_flush(a_out, SOON)); /* else c may come first */
    c_out = bound(c, "queue", RN_OUT, NULL);
    struct stream s = { c_out, 12 };
    check_rc(rn_group_go(g, send_stream, &s, sizeof s), 0);
    receive_some("b", b_in, 13);
}

static void close_queue(void)
{
    send_stream(&(struct stream){ a_out, 5 });
    rn_chan_close(a_out);
    write_rc("late", send_thing(a_out, SOON));
    receive_some("b", b_in, 5);
    write_rc("closed", receive_thing(b_in, SOON));
    write_rc("for", rn_chan_err(b_in));
    write_rc("others", send_thing(c_out, SOON)); /* its credit is back, so it knows */
}

static void cancel_sure(void)
{
    rn_chan_fail(b_sure, -EIO);
    write_rc("cancelled", receive_thing(b_sure, SOON));
    int rc = 0;
    while (rc == 0)
        rc = send_thing(a_sure, SOON);
    write_rc("senders", rc);
}

static void unbind_all(void)
{
    rn_chan *const all[] = { a_out, a_sure, b_in, b_sure, c_out };
    for (int i = 0; i < RN_LEN(all); i++) {
        write_rc("unbind", rn_unbind(all[i], SOON));
        check(rn_chan_unsent(all[i]) == 0);
        rn_chan_unref(all[i]);
    }
    rn_chan_unref(c_in);
}

/* Every thing was handed over and came once, or is still its sender's and never came. */
static void balance(uint32_t first, uint32_t last)
{
    for (uint32_t id = first; id <= last; id++) {
        const struct fate *f = thing_fate(id);
        check(f->came == f->handed_over);
        check(f->discarded == 0);
    }
}

static void play(void)
{
    rn_group *g = rn_group_new();
    seen.len = 0;
    a = node_open("a");
    b = node_open("b");
    c = node_open("c");
    bind_all();
    stream(g);
    confirm();
    withdraw();
    recall_elements();
    recall_credit(g);
    check_rc(rn_group_wait(g, SOON), 0);
    balance(1, things_made());
    close_queue();
    cancel_sure();
    unbind_all();
    node_close(a);
    node_close(b);
    node_close(c);
    rn_group_free(g);
}

/* ---- faults ---- */

/* A round is a fault, a node, a direction, and a frame of it. */
static struct {
    const char *fault;
    void (*fn)(void *arg);
    const char *from, *to;
    uint64_t frame;
} at;
static const char *victim;
static bool sprung; /* and not healed yet */

static void heal_cable(void *arg)
{
    (void)arg;
    cable(victim, false);
    sprung = false;
}

static void thaw(void *arg)
{
    memnet_freeze(net, arg, false);
    sprung = false;
}

static void sever_losing(void *arg)
{
    (void)arg;
    memnet_sever(net, victim, "broker", true);
}

static void sever_after(void *arg)
{
    (void)arg;
    memnet_sever(net, victim, "broker", false);
}

/* It breaks again when little of what was lost has been sent anew. */
static void sever_again(void *arg)
{
    sever_losing(arg);
    memnet_trap(net, at.from, at.to, 3, sever_losing, NULL);
}

static void pull_cable(void *arg)
{
    (void)arg;
    sprung = true;
    cable(victim, true);
    check_rc(rn_later(LEASE / 2, heal_cable, NULL), 0);
}

static void stop_node(void *arg)
{
    (void)arg;
    sprung = true;
    memnet_freeze(net, victim, true);
    check_rc(rn_later(LEASE / 2, thaw, (void *)victim), 0);
}

static void stop_broker(void *arg)
{
    (void)arg;
    sprung = true;
    memnet_freeze(net, "broker", true);
    check_rc(rn_later(LEASE / 2, thaw, "broker"), 0);
}

static const struct {
    const char *name;
    void (*fn)(void *arg);
} faults[] = {
    { "the connection breaks, and what is under way is lost", sever_losing },
    { "the connection breaks, and what is under way arrives", sever_after },
    { "the connection breaks, and again while it is resumed", sever_again },
    { "the cable is out", pull_cable },
    { "the node is stopped", stop_node },
    { "the broker is stopped", stop_broker },
};
static const char *const nodes[] = { "a", "b", "c" };

/* ---- a link that comes back in time ---- */

#define FRAMES_MAX 128 /* more than the script sends from one to another */

static bool happened;
static uint64_t disturbed_runs;

static uint64_t rounds(void)
{
    return (uint64_t)RN_LEN(faults) * RN_LEN(nodes) * 2 * FRAMES_MAX;
}

static void round_begin(uint64_t round)
{
    uint64_t kind = round / FRAMES_MAX;
    bool up = kind % 2 == 0;
    victim = nodes[kind / 2 % RN_LEN(nodes)];
    at.frame = round % FRAMES_MAX + 1;
    at.from = up ? victim : "broker";
    at.to = up ? "broker" : victim;
    at.fault = faults[kind / 2 / RN_LEN(nodes)].name;
    at.fn = faults[kind / 2 / RN_LEN(nodes)].fn;
}

static void spring(void *arg)
{
    (void)arg;
    happened = true;
    at.fn(NULL);
}

static void act(bool disturbed)
{
    cluster_open(100 * RN_US, 100 * RN_US);
    if (disturbed)
        memnet_trap(net, at.from, at.to, at.frame, spring, NULL);
    play();
    memnet_trap(net, "", "", 0, NULL, NULL);
    while (sprung)
        rn_sleep(rn_after(RN_MS));
    cluster_close();
}

static void compare(void)
{
    if (seen.len == undisturbed.len && memcmp(seen.text, undisturbed.text, seen.len) == 0)
        return;
    fprintf(stderr, "%s, at frame %llu from %s to %s.\nUndisturbed:\n%s\nDisturbed:\n%s\n",
            at.fault, (unsigned long long)at.frame, at.from, at.to, undisturbed.text, seen.text);
    check(!"the program saw the fault");
}

static int link_that_breaks_at_any_frame_changes_nothing(void *arg)
{
    (void)arg;
    static uint64_t seed_undisturbed;
    round_begin(round_now);
    if (at.frame == 1)
        happened = true;
    if (seed_undisturbed != seed_now) {
        act(false);
        undisturbed = seen;
        seed_undisturbed = seed_now;
        happened = true;
        things_forget();
    }
    if (happened) { /* else there were no more frames in the round before */
        happened = false;
        act(true);
        compare();
        disturbed_runs += happened;
    }
    if (round_now + 1 == rounds()) {
        printf("%llu runs with a fault, each at another frame\n",
               (unsigned long long)disturbed_runs);
        check(disturbed_runs > 1000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "link_that_breaks_at_any_frame_changes_nothing",
          link_that_breaks_at_any_frame_changes_nothing, rounds(), 1 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
