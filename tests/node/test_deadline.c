/* test_deadline.c - what ends an operation, in every state that it can be in.   SPDX-License-Identifier: MIT
 *
 * Goal: each answer is one of those that docs/SEMANTICS.md allows, comes in bounded time, and leaves the element with
 * exactly one side.  Method: a table of states of an operation, states of its link, and what happens then; a scripted home
 * (home.h) holds the operation in its state for as long as it takes.  Each row is played alone and inside a select.
 * An operation that what happens must not end goes on, and has its result when home and link are well again. */
#include "tests/node/home.h"

#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum state {
    BINDING,    /* rn_bind; the home has not answered */
    CREDIT,     /* a send without credit */
    QUEUED,     /* a confirmed send whose element has not left */
    DEPARTED,   /* ... has left, and the home has not acknowledged the frame */
    UNACCEPTED, /* ... has, but not accepted it */
    RECEIVING,  /* a receive without an element */
    TAKEN,      /* the same, and what was taken before it has not been reported */
    FLUSHING,   /* rn_flush of what the home has not accepted */
    UNBINDING,  /* rn_unbind of it */
};
enum link_state {
    UP = 1,
    BROKEN = 2,  /* the connection is known to be broken, and there is no other */
    FROZEN = 4,  /* the home is silent; nobody knows yet */
    QUARTER = 8, /* it has been broken up to the last quarter of the lease */
};
#define DOWN (BROKEN | QUARTER)
#define ANY  (UP | BROKEN | FROZEN | QUARTER)
enum event {
    DEADLINE,
    CANCEL,
    NOWAIT,     /* another operation of the kind that does not wait: its result counts */
    OTHER_CASE, /* of the same select becomes ready */
    CLOSE_HERE,
    FAIL_HERE,
    CLOSE_THERE,
    FAIL_THERE,
    UNBIND,     /* with a deadline */
    NODE_CLOSE, /* with a deadline */
    LEASE_OVER,
};

/* In the last quarter of the lease, and early enough: a node that was cut off dials again within 450 ms. */
#define QUARTER_NS (LEASE / 4 * 3 + 10 * RN_MS)

#define GOES_ON  2000 /* what happens does not end the operation */
#define OTHER    1000 /* the other case was chosen */
#define AT_ONCE  (3 * RN_MS)
#define PATIENCE (200 * RN_MS)        /* of an unbind and a close */
#define SILENCE  (RN_SEC + 3 * RN_MS) /* after which a link does not count as up */

static const struct row {
    enum state state;
    unsigned links; /* each of these */
    enum event event;
    int result;
    int64_t within;
    int later; /* the result of what goes on */
} rows[] = {
    { BINDING, ANY, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { BINDING, ANY, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { BINDING, ANY, NODE_CLOSE, -ESHUTDOWN, PATIENCE + AT_ONCE, 0 },
    { BINDING, BROKEN | FROZEN, LEASE_OVER, GOES_ON, 0, 0 }, /* in the next session */

    { CREDIT, ANY, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { CREDIT, ANY, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { CREDIT, ANY, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { CREDIT, ANY, OTHER_CASE, OTHER, AT_ONCE, 0 },
    { CREDIT, ANY, CLOSE_HERE, RN_ECLOSED, AT_ONCE, 0 },
    { CREDIT, ANY, FAIL_HERE, RN_ECLOSED, AT_ONCE, 0 },
    { CREDIT, UP, CLOSE_THERE, RN_ECLOSED, AT_ONCE, 0 },
    { CREDIT, UP, FAIL_THERE, -EIO, AT_ONCE, 0 },
    { CREDIT, ANY, UNBIND, -ESHUTDOWN, AT_ONCE, 0 },
    { CREDIT, ANY, NODE_CLOSE, -ESHUTDOWN, AT_ONCE, 0 },
    { CREDIT, BROKEN | FROZEN, LEASE_OVER, RN_ESESSION, LEASE, 0 },

    { QUEUED, FROZEN | DOWN, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { QUEUED, FROZEN | DOWN, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { QUEUED, FROZEN | DOWN, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { QUEUED, FROZEN | DOWN, OTHER_CASE, GOES_ON, 0, 0 },
    { QUEUED, FROZEN | DOWN, CLOSE_HERE, GOES_ON, 0, 0 },
    { QUEUED, FROZEN | DOWN, FAIL_HERE, GOES_ON, 0, 0 },
    { QUEUED, FROZEN | DOWN, UNBIND, GOES_ON, 0, 0 },
    { QUEUED, FROZEN | DOWN, NODE_CLOSE, -ESHUTDOWN, PATIENCE + AT_ONCE, 0 },
    { QUEUED, FROZEN | BROKEN, LEASE_OVER, RN_ESESSION, LEASE, 0 },

    { DEPARTED, FROZEN, DEADLINE, RN_EUNKNOWN, SILENCE, 0 },
    { DEPARTED, DOWN, DEADLINE, RN_EUNKNOWN, AT_ONCE, 0 },
    { DEPARTED, FROZEN, CANCEL, RN_EUNKNOWN, SILENCE, 0 },
    { DEPARTED, DOWN, CANCEL, RN_EUNKNOWN, AT_ONCE, 0 },
    { DEPARTED, FROZEN | DOWN, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { DEPARTED, FROZEN | DOWN, OTHER_CASE, GOES_ON, 0, 0 },
    { DEPARTED, FROZEN | DOWN, CLOSE_HERE, GOES_ON, 0, 0 },
    { DEPARTED, FROZEN | DOWN, FAIL_HERE, GOES_ON, 0, 0 },
    { DEPARTED, FROZEN | DOWN, UNBIND, GOES_ON, 0, 0 },
    { DEPARTED, FROZEN | DOWN, NODE_CLOSE, RN_EUNKNOWN, PATIENCE + AT_ONCE, 0 },
    { DEPARTED, FROZEN | BROKEN, LEASE_OVER, RN_EUNKNOWN, LEASE, 0 },

    { UNACCEPTED, UP, DEADLINE, GOES_ON, 0, 0 }, /* the verdict is on its way */
    { UNACCEPTED, FROZEN, DEADLINE, RN_EUNKNOWN, SILENCE, 0 },
    { UNACCEPTED, DOWN, DEADLINE, RN_EUNKNOWN, AT_ONCE, 0 },
    { UNACCEPTED, UP, CANCEL, GOES_ON, 0, 0 },
    { UNACCEPTED, FROZEN, CANCEL, RN_EUNKNOWN, SILENCE, 0 },
    { UNACCEPTED, DOWN, CANCEL, RN_EUNKNOWN, AT_ONCE, 0 },
    { UNACCEPTED, ANY, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { UNACCEPTED, ANY, OTHER_CASE, GOES_ON, 0, 0 },
    { UNACCEPTED, ANY, CLOSE_HERE, GOES_ON, 0, 0 },
    { UNACCEPTED, ANY, FAIL_HERE, GOES_ON, 0, 0 },
    { UNACCEPTED, UP, CLOSE_THERE, GOES_ON, 0, 0 },
    { UNACCEPTED, UP, FAIL_THERE, GOES_ON, 0,
      0 }, /* it was sent; what becomes of it is the home's */
    { UNACCEPTED, ANY, UNBIND, GOES_ON, 0, 0 },
    { UNACCEPTED, ANY, NODE_CLOSE, RN_EUNKNOWN, PATIENCE + AT_ONCE, 0 },
    { UNACCEPTED, FROZEN | BROKEN, LEASE_OVER, RN_EUNKNOWN, LEASE, 0 },

    { RECEIVING, ANY, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { RECEIVING, ANY, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { RECEIVING, ANY, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { RECEIVING, ANY, OTHER_CASE, OTHER, AT_ONCE, 0 },
    { RECEIVING, ANY, CLOSE_HERE, GOES_ON, 0, RN_ECLOSED }, /* until it is drained */
    { RECEIVING, ANY, FAIL_HERE, RN_ECLOSED, AT_ONCE, 0 },
    { RECEIVING, UP, CLOSE_THERE, RN_ECLOSED, AT_ONCE, 0 },
    { RECEIVING, UP, FAIL_THERE, RN_ECLOSED, AT_ONCE, 0 },
    { RECEIVING, ANY, UNBIND, -ESHUTDOWN, AT_ONCE, 0 },
    { RECEIVING, ANY, NODE_CLOSE, -ESHUTDOWN, AT_ONCE, 0 },
    { RECEIVING, BROKEN | FROZEN, LEASE_OVER, RN_ESESSION, LEASE, 0 },

    { TAKEN, FROZEN | DOWN, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, NOWAIT, RN_ETIMEDOUT, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, OTHER_CASE, OTHER, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, CLOSE_HERE, GOES_ON, 0, RN_ECLOSED },
    { TAKEN, FROZEN | DOWN, FAIL_HERE, RN_ECLOSED, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, UNBIND, -ESHUTDOWN, AT_ONCE, 0 },
    { TAKEN, FROZEN | DOWN, NODE_CLOSE, -ESHUTDOWN, AT_ONCE, 0 },
    { TAKEN, FROZEN | BROKEN, LEASE_OVER, RN_ESESSION, LEASE, 0 },

    { FLUSHING, ANY, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { FLUSHING, ANY, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { FLUSHING, ANY, CLOSE_HERE, GOES_ON, 0, 0 },
    { FLUSHING, ANY, UNBIND, GOES_ON, 0, 0 },
    { FLUSHING, ANY, NODE_CLOSE, -ESHUTDOWN, PATIENCE + AT_ONCE, 0 },
    { FLUSHING, BROKEN | FROZEN, LEASE_OVER, RN_ESESSION, LEASE, 0 },

    { UNBINDING, ANY, DEADLINE, RN_ETIMEDOUT, AT_ONCE, 0 },
    { UNBINDING, ANY, CANCEL, RN_ECANCELED, AT_ONCE, 0 },
    { UNBINDING, ANY, NODE_CLOSE, -ESHUTDOWN, PATIENCE + AT_ONCE, 0 },
    { UNBINDING, BROKEN | FROZEN, LEASE_OVER, RN_ESESSION, LEASE, 0 }, /* one is in doubt */
};

/* ---- the operation ---- */

static struct operation {
    const struct row *row;
    enum link_state link;
    bool in_select;
    rn_node *node; /* NULL: it was closed */
    rn_chan *chan, *other;
    rn_group *group;
    rn_time deadline;
    struct thing thing; /* that it sends, or has received */
    int rc;
    bool ended;
    rn_time ended_at;
} op;

static bool sends(void)
{
    return op.row->state >= CREDIT && op.row->state <= UNACCEPTED;
}

/* One of the calls that concern a handle as a whole: they are in no select. */
static bool whole(void)
{
    return op.row->state == BINDING || op.row->state >= FLUSHING;
}

static int operate(void)
{
    enum rn_op kind = sends() ? RN_SEND : RN_RECV;
    int64_t ignored;
    if (op.row->state == FLUSHING)
        return rn_flush(op.chan, op.deadline);
    if (op.row->state == UNBINDING)
        return rn_unbind(op.chan, op.deadline);
    if (op.row->state == BINDING)
        return rn_bind(op.node, "channel", RN_OUT, op.chan, &thing_codec, NULL, op.deadline);
    if (!op.in_select)
        return sends() ? rn_chan_send(op.chan, &op.thing, op.deadline)
                       : rn_chan_recv(op.chan, &op.thing, op.deadline);
    rn_case cases[] = { { op.other, &ignored, RN_RECV, 0 }, { op.chan, &op.thing, kind, 0 } };
    int i = rn_select(cases, 2, op.deadline);
    return i < 0 ? i : i == 0 ? OTHER : cases[1].rc;
}

static void operation(void *arg)
{
    (void)arg;
    op.rc = operate();
    op.ended = true;
    op.ended_at = rn_now();
}

static void pause_ms(int64_t ms)
{
    rn_sleep(rn_after(ms * RN_MS));
}

static void begin(void)
{
    op.deadline = op.row->event == DEADLINE ? rn_after(op.link == QUARTER ? QUARTER_NS : 20 * RN_MS)
                                            : rn_after(30 * RN_SEC);
    if (sends())
        op.thing = thing_new(8);
    check_rc(rn_group_go(op.group, operation, NULL, 0), 0);
    pause_ms(2);
    check(!op.ended);
}

/* ---- states ---- */

static void lose_link(void)
{
    memnet_sever(net, "a", "broker", true);
    cable("a", true);
    pause_ms(1);
}

static void enter_queued(void)
{
    if (op.link != FROZEN) {
        home_lend(1);
        pause_ms(2);
        lose_link();
        begin();
        return;
    }
    home_lend(WIRE_WINDOW_FRAMES + 1);
    pause_ms(2);
    memnet_freeze(net, "broker", true);
    for (int i = 0; i < WIRE_WINDOW_FRAMES; i++) { /* a full link window */
        check_rc(send_thing(op.chan, RN_NOWAIT), 0);
        pause_ms(1);
    }
    begin();
}

static void enter_taken(void)
{
    home.things = 1;
    home_wake();
    pause_ms(2);
    if (op.link == FROZEN)
        memnet_freeze(net, "broker", true);
    else
        lose_link();
    check(receive_thing(op.chan, RN_NOWAIT) == 1);
    begin();
}

static void enter_state(void)
{
    enum state state = op.row->state;
    op.chan = rn_chan_new(sizeof(struct thing), 0, NULL);
    home.binds = state != BINDING;
    if (state != BINDING) {
        enum rn_dir dir = sends() || whole() ? RN_OUT : RN_IN;
        rn_bind_opts opts = { .confirm = state > CREDIT && state <= UNACCEPTED };
        check_rc(rn_bind(op.node, "channel", dir, op.chan, &thing_codec, &opts, SOON), 0);
    }
    if (state == QUEUED) {
        enter_queued();
    } else if (state == TAKEN) {
        enter_taken();
    } else if (state == DEPARTED) {
        home_lend(1);
        pause_ms(2);
        memnet_freeze(net, "broker", true);
        begin();
    } else {
        if (state == UNACCEPTED || state == FLUSHING || state == UNBINDING) {
            home_lend(1);
            pause_ms(2);
        }
        if (state == FLUSHING || state == UNBINDING)
            check_rc(send_thing(op.chan, RN_NOWAIT), 0);
        begin();
    }
}

/* The link gets into its state, if it is not there already, and the time comes for what is to happen. */
static void enter_link_state(rn_time since)
{
    if (op.link == FROZEN)
        memnet_freeze(net, "broker", true);
    else if (op.link != UP)
        lose_link();
    if (op.link == QUARTER)
        rn_sleep(since + QUARTER_NS);
    check(!op.ended || op.row->event == DEADLINE);
}

/* ---- what happens ---- */

static void unbind(void *arg)
{
    (void)arg;
    int rc = rn_unbind(op.chan, rn_after(PATIENCE));
    check(rc == 0 || rc == RN_ETIMEDOUT);
}

static void close_there(enum wire_code code, int32_t reason)
{
    struct wire_control c = { .what = sends() ? WIRE_RECALL : WIRE_CLOSED_,
                              .recall = { .closing = true, .code = code, .reason = reason } };
    home_say(sends() ? WIRE_OUT : WIRE_IN, &c);
}

static void try_without_waiting(void)
{
    int rc = sends() ? send_thing(op.chan, RN_NOWAIT) : receive_thing(op.chan, RN_NOWAIT);
    check(!op.ended);
    op.rc = rc; /* of what it is the row says */
}

/* It does not return before the node is closed. */
static void close_node(void *arg)
{
    (void)arg;
    rn_time before = rn_now();
    uint64_t unsent = 1;
    int rc = rn_node_close(op.node, rn_after(PATIENCE), &unsent);
    op.node = NULL;
    check(rc == 0 || rc == RN_ETIMEDOUT);
    check(rn_now() - before < PATIENCE + AT_ONCE);
    /* A confirmed send has told its own caller. */
    check(unsent == (op.row->state >= FLUSHING                      ? 1
                     : op.row->state == QUEUED && op.link == FROZEN ? WIRE_WINDOW_FRAMES
                                                                    : 0));
}

static void happen(void)
{
    int64_t value = 1;
    switch (op.row->event) {
    case DEADLINE:
        rn_sleep(op.deadline);
        break;
    case LEASE_OVER:
        break;
    case CANCEL:
        rn_group_cancel(op.group);
        break;
    case NOWAIT:
        try_without_waiting();
        break;
    case OTHER_CASE:
        check_rc(rn_chan_send(op.other, &value, RN_NOWAIT), 0);
        break;
    case CLOSE_HERE:
        rn_chan_close(op.chan);
        break;
    case FAIL_HERE:
        rn_chan_fail(op.chan, -EIO);
        break;
    case CLOSE_THERE:
        close_there(WIRE_CLOSED, 0);
        break;
    case FAIL_THERE:
        close_there(WIRE_CANCELLED, -EIO);
        break;
    case UNBIND:
        check_rc(rn_go(unbind, NULL), 0);
        break;
    case NODE_CLOSE:
        check_rc(rn_go(close_node, NULL), 0);
        break;
    }
}

/* ---- what must follow ---- */

static bool wait_for_end(rn_time until)
{
    while (!op.ended && rn_now() < until)
        rn_sleep(rn_after(100 * RN_US));
    return op.ended;
}

static void heal(void)
{
    cable("a", false);
    memnet_freeze(net, "broker", false);
    home.things = !sends() && op.row->event == NOWAIT; /* for the one that waits still */
    home_generous();
}

static void explain(int rc)
{
    static const char *const states[] = { "binding",  "waiting for credit", "queued",
                                          "departed", "unaccepted",         "receiving",
                                          "taken",    "flushing",           "unbinding" };
    static const char *const events[] = { "deadline",   "cancellation", "no wait",     "other case",
                                          "close here", "fail here",    "close there", "fail there",
                                          "unbind",     "node close",   "lease over" };
    fprintf(stderr, "%s, link %d, %s, %s: %d (%s)\n", states[op.row->state], op.link,
            events[op.row->event], op.in_select ? "in a select" : "alone", rc,
            rc == OTHER     ? "the other case"
            : rc == GOES_ON ? "goes on"
                            : rn_strerror(rc));
}

static void expect(int result)
{
    int rc = op.ended || op.row->event == NOWAIT ? op.rc : GOES_ON;
    if (rc != result) {
        explain(rc);
        check(rc == result);
    }
}

static void must_follow(rn_time event_at)
{
    const struct row *row = op.row;
    if (row->event == NOWAIT) {
        expect(row->result);
        return;
    }
    if (row->result == GOES_ON) {
        wait_for_end(event_at + (row->event == LEASE_OVER ? 2 * LEASE
                                 : op.link == QUARTER ? LEASE / 64 /* and what is left is enough */
                                                      : 2 * PATIENCE));
        expect(GOES_ON);
        return;
    }
    wait_for_end(event_at + row->within);
    expect(row->result);
}

/* The element is with exactly one side, when everything has come to its end. */
static void must_balance(void)
{
    bool over = op.row->event == LEASE_OVER || op.row->event == NODE_CLOSE || home.sessions > 1;
    if (sends()) {
        const struct fate *fate = thing_fate(op.thing.id);
        int came = home.came[op.thing.id];
        bool gone = op.rc == 0 || op.rc == RN_EUNKNOWN;
        if (op.row->event == NOWAIT) /* op.rc was the other's, and this one's in the end */
            gone = fate->handed_over == 1;
        check(fate->handed_over == gone);
        check(came <= gone);
        check(came == 1 || !gone || over);
        check(fate->came + fate->discarded == 0);
    }
    if (op.row->state >= FLUSHING) {
        check(thing_fate(1)->handed_over == 1);
        check(home.came[1] == 1 || (over && home.came[1] == 0));
    }
    if (op.row->state == TAKEN) {
        check(thing_fate(1)->came == 1);
        check(home.of[WIRE_IN].returned == 0);
        check(over || home.of[WIRE_IN].taken == home.of[WIRE_IN].delivered);
    }
    if (op.row->state == BINDING && op.rc < 0 && !over)
        check(home.of[WIRE_OUT].unbound == 1); /* nothing of it counts */
}

static void play(void)
{
    cluster_net(100 * RN_US, 100 * RN_US);
    home_open();
    op.node = node_open("a");
    op.group = rn_group_new();
    op.other = rn_chan_new(sizeof(int64_t), 1, NULL);
    rn_time since = rn_now();
    enter_state();
    enter_link_state(since);
    happen();
    must_follow(rn_now());
    heal();
    if (!wait_for_end(rn_after(2 * LEASE)))
        expect(op.row->later);
    if (op.row->result == GOES_ON && home.sessions == 1)
        expect(op.row->later);
    pause_ms(2 * PATIENCE / RN_MS); /* an unbind or a close that is under way has ended by then */
    if (op.node != NULL)
        node_close(op.node);
    pause_ms(1);
    must_balance();
    check_rc(rn_group_wait(op.group, SOON), 0);
    rn_group_free(op.group);
    rn_chan_unref(op.chan);
    rn_chan_unref(op.other);
    home_close();
    memnet_free(net);
}

static int operation_ends_as_it_may_and_its_element_has_one_owner(void *arg)
{
    (void)arg;
    static uint64_t played;
    op = (struct operation){ .row = &rows[round_now / 8],
                             .link = 1 << (round_now / 2 % 4),
                             .in_select = round_now % 2 == 1 };
    bool possible = (op.row->links & op.link) != 0 &&
                    (whole() ? !op.in_select : op.row->event != OTHER_CASE || op.in_select);
    if (possible) {
        played++;
        play();
    }
    if (round_now + 1 == (uint64_t)RN_LEN(rows) * 8)
        printf("%llu combinations of state, link and event\n", (unsigned long long)played);
    return 0;
}

/* ---- what is at hand ---- */

/* Credit and elements at hand are used without a word to the home until the last quarter of the lease begins, by those
 * who wait as by those who do not; then nobody uses them, and at its end everybody is told. */
static int what_is_at_hand_is_used_until_the_last_quarter(void *arg)
{
    (void)arg;
    cluster_net(100 * RN_US, 100 * RN_US);
    home_open();
    home.binds = true;
    home.things = 40;
    rn_node *node = node_open("a");
    rn_chan *out = bound(node, "channel", RN_OUT, NULL), *in = bound(node, "channel", RN_IN, NULL);
    home_lend(40);
    pause_ms(5);
    rn_time since = rn_now(), last = since;
    if (round_now == 0)
        lose_link();
    else
        memnet_freeze(net, "broker", true);
    int rc = 0, used = 0;
    bool waits = false;
    while (rc == 0) {
        rn_time deadline = waits ? rn_after(RN_MS) : RN_NOWAIT;
        last = rn_now();
        rc = send_thing(out, deadline);
        int id = receive_thing(in, deadline);
        check(rc == 0 ? id > 0 : id == rc);
        used += rc == 0;
        waits = !waits;
        rn_sleep(last + LEASE / 20);
    }
    check_rc(rc, RN_ETIMEDOUT);
    check(used < 40);
    check(last - since > LEASE / 2 && last - since <= LEASE / 4 * 3 + LEASE / 20);
    check_rc(send_thing(out, SOON), RN_ESESSION);
    check_rc(receive_thing(in, RN_NOWAIT), RN_ESESSION);
    check(rn_now() - since <= LEASE);
    check(rn_chan_unsent(out) == (uint64_t)used);
    heal();
    rn_chan_unref(out);
    rn_chan_unref(in);
    node_close(node);
    home_close();
    memnet_free(net);
    return 0;
}

int main(int argc, char **argv)
{
    const struct fact facts[] = {
        { "operation_ends_as_it_may_and_its_element_has_one_owner",
          operation_ends_as_it_may_and_its_element_has_one_owner, (uint64_t)RN_LEN(rows) * 8, 4 },
        { "what_is_at_hand_is_used_until_the_last_quarter",
          what_is_at_hand_is_used_until_the_last_quarter, 2, 4 },
    };
    return facts_main(argc, argv, facts, RN_LEN(facts));
}
