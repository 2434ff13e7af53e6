/* loop.c - the link goroutine: requests, what time asks for, output, input, and again.   SPDX-License-Identifier: MIT
 *
 * Output comes before the wait, so the wait begins only when there is nothing left to say.  Before output come those who were
 * handed what they waited for: what they answer at once leaves in one frame with what is owed for that. */
#include "node/inside.h"

#include "runtime/sched.h"

#define INPUT_MAX 64 /* events handled before output has its turn */

static void node_event(struct rn_node *n, struct link_event *event)
{
    switch (event->what) {
    case LINK_FRAME:
        if (event->peer == n->peer && n->peer != 0)
            node_frame(n, event->frame);
        frame_unref(event->frame);
        break;
    case LINK_DOWN:
        if (event->peer == n->peer)
            node_lost(n, event->why);
        break;
    case LINK_WOKEN:
        break;
    }
}

/* When the loop must go on by itself, on the rn_now() clock. */
static rn_time node_deadline(struct rn_node *n)
{
    if (n->starved) {
        n->starved = false;
        return rn_after(STARVED_NS);
    }
    struct uplink_facts facts = node_facts(n);
    int64_t at_ns = uplink_deadline(&n->uplink, &facts);
    if (n->yield_ns < at_ns)
        at_ns = n->yield_ns;
    if (n->expire_ns < at_ns)
        at_ns = n->expire_ns;
    int64_t left_ns = at_ns - rn__boottime();
    return left_ns > 0 ? rn_after(left_ns) : RN_NOWAIT;
}

/* Waits for something to happen, then takes what there is.  < 0: the link itself is of no more use. */
static int node_input(struct rn_node *n)
{
    atomic_store(&n->asleep, true);
    bool busy = atomic_load(&n->dirty) != NULL || node_has_requests(n) ||
                atomic_load(&n->knocked) || (n->held != NULL && atomic_load(&n->up));
    rn_time deadline = busy ? RN_NOWAIT : node_deadline(n);
    struct link_event event;
    n->handed = 0;
    n->heaps = false;
    int rc = link_recv(n->link, &event, deadline);
    atomic_store(&n->asleep, false);
    for (int i = 0; rc == 0 && i < INPUT_MAX; i++) {
        node_event(n, &event);
        rc = link_recv(n->link, &event, RN_NOWAIT);
    }
    if (rc == 0)
        node_event(n, &event);
    if (rc != RN_ETIMEDOUT || n->heaps)
        n->handed = 0; /* there is more to do, which takes long */
    if (rc == RN_ETIMEDOUT && n->session != NULL)
        session_ack_others(n->session);
    return rc == RN_ETIMEDOUT ? 0 : rc;
}

static void node_output(struct rn_node *n)
{
    traffic_expire(n);
    if (n->session == NULL || n->uplink.state != UPLINK_UP) {
        traffic_gather(n); /* kept until there is a connection */
        traffic_knocks(n);
        return;
    }
    traffic_gather(n);
    traffic_knocks(n);
    node_ask_again(n);
    if (traffic_output(n) < 0)
        node_broken(n);
}

/* Nothing is left to say but goodbye. */
static bool node_drained(struct rn_node *n)
{
    return TAILQ_EMPTY(&n->handles) && (n->session == NULL || session_idle(n->session));
}

/* How many sends gave 0 and are not confirmed. */
static uint64_t node_unsent(struct rn_node *n)
{
    uint64_t sum = n->unsent;
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    {
        rn__chan_lock(h->chan);
        sum += handle_unsent(h);
        rn__chan_unlock(h->chan);
    }
    return sum;
}

/* Binds that nobody has are undone first: a Goodbye would count them among the senders that have gone in order. */
static int node_undo_binds(struct rn_node *n)
{
    uint32_t at = 0;
    int rc = 0;
    for (const struct side *side; (side = keyed_each(&n->sides, &at)) != NULL;) {
        struct wire_control c = { .what = WIRE_UNBIND,
                                  .bind = side->id,
                                  .unbind = { .abandoned = true } };
        bool had = side->state != SIDE_BINDING && !(side->state == SIDE_BOUND && side->abandoned);
        if (!had && rc == 0)
            rc = session_control(n->session, &c);
    }
    return rc;
}

static void node_goodbye(struct rn_node *n, bool unsent)
{
    if (n->session == NULL || n->uplink.state != UPLINK_UP)
        return;
    struct wire_control c = { .what = WIRE_GOODBYE, .goodbye = { .unsent = unsent } };
    if (node_undo_binds(n) < 0 || session_control(n->session, &c) < 0 || traffic_pump(n) < 0)
        return;
    n->peer =
        0; /* it leaves as the link is closed: with a connection that is dropped it might not */
}

static void node_end(struct rn_node *n)
{
    bool drained = n->stage == NODE_CLOSING && node_drained(n);
    struct ending ending = { .unsent = node_unsent(n) };
    ending.rc = drained && ending.unsent == 0 ? 0 : RN_ETIMEDOUT;
    if (n->stage == NODE_CLOSING)
        node_goodbye(n, ending.unsent > 0);
    bool shut = n->stage == NODE_CLOSING;
    n->stage = NODE_ENDED;
    node_session_over(n, shut ? -ESHUTDOWN : RN_ESESSION);
    node_answer_the_rest(n);
    atomic_store(&n->down, true);
    crowd_ease(n);
    traffic_gather(n);
    while (n->held != NULL) { /* marked before they were over; nothing marks them again */
        struct handle *h = n->held;
        n->held = h->dirty_next;
        handle_unref(h);
    }
    link_close(n->link);
    rn_chan_send(n->ended, &ending, RN_NOWAIT);
    node_unref(n);
}

void node_run(void *arg)
{
    struct rn_node *n = arg;
    int rc = 0;
    while (rc == 0) {
        node_serve_requests(n);
        if (n->stage == NODE_ENDED || n->aborted)
            break;
        node_step(n);
        node_output(n);
        if (n->stage == NODE_ENDED || (n->stage == NODE_CLOSING && node_drained(n)))
            break;
        rc = node_input(n);
        node_publish(n);
        crowd_ease(n);
        if (n->handed > 0)
            rn__give_way(n->handed);
    }
    node_opened(n, rc < 0 ? rc : -ESHUTDOWN);
    node_end(n);
}
