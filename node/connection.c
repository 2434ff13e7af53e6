/* connection.c - sessions with a broker: how they begin, go on over another connection, and end.
 *   SPDX-License-Identifier: MIT
 *
 * Invariant: fence_ns and end_ns never lie beyond what uplink.h says for the session that handles are bound under:
 * they move to a new session only after every handle of the old one has failed. */
#include "node/inside.h"

#include "runtime/assert.h"
#include "runtime/reach.h"
#include "runtime/sched.h"

#include <string.h>

/* ---- the end of a session ---- */

static void node_disconnect(struct rn_node *n)
{
    atomic_store(&n->up, false);
    if (n->session != NULL)
        session_suspend(n->session);
    if (n->peer != 0)
        link_drop(n->link, n->peer);
    n->peer = 0;
    if (n->yield_ns != INT64_MAX)
        n->yield_ns = 0; /* who waits for a verdict does not wait for a connection */
}

void node_broken(struct rn_node *n)
{
    node_disconnect(n);
    uplink_broken(&n->uplink, rn__boottime());
}

/* ---- a connection that never came up ---- */

/* One with another key hangs up always; one that dies does, too, and what stands before one that only starts, as a proxy
 * does: so it is waited for some more. */
#define HANGUPS_MIN 5
#define HANGUPS_NS  (3 * RN_SEC)

static const char *unmet_sentence(enum link_why why)
{
    switch (why) {
    case LINK_WHY_STRANGER:
        return "the broker refuses this node's key: it is not in its list of clients";
    case LINK_WHY_PLAIN:
        return "the broker's links are not encrypted, and this node wants them to be";
    case LINK_WHY_ENCRYPTED:
        return "the broker wants an encrypted link, and this node has no public key of it "
               "(--broker-key, $RUNNEL_BROKER_KEY)";
    case LINK_WHY_KEY:
        return "the broker hangs up on what is encrypted for it: its key is another than this node was given, "
               "or it does not encrypt";
    case LINK_WHY_UNMET:
    case LINK_WHY_BROKEN:
        break;
    }
    return NULL;
}

/* Does time not mend it? */
static bool unmet_for_good(struct rn_node *n, enum link_why why)
{
    if (why == LINK_WHY_KEY) {
        if (n->hangups++ == 0)
            n->hangups_ns = rn__boottime();
        return n->hangups >= HANGUPS_MIN && rn__boottime() - n->hangups_ns >= HANGUPS_NS;
    }
    return why == LINK_WHY_STRANGER || why == LINK_WHY_PLAIN || why == LINK_WHY_ENCRYPTED;
}

void node_lost(struct rn_node *n, enum link_why why)
{
    const char *sentence = unmet_sentence(why);
    bool final = unmet_for_good(n, why);
    if (sentence != NULL)
        node_note_error(n, sentence);
    node_broken(n);
    if (final)
        node_opened(n, RN_EDENIED);
}

/* ---- the end of a session, for what belonged to it ---- */

/* May it be asked again, under the next session?  What only looks may, unless an answer has begun. */
static bool query_goes_on(const struct rn_node *n, const struct query *q)
{
    bool looks = q->question.what == WIRE_QUERY || q->question.what == WIRE_PEEK;
    return n->stage != NODE_ENDED && q->frames == NULL && (looks || !q->said);
}

static void query_end(struct rn_node *n, struct query *q, int rc)
{
    HASH_DEL(n->queries, q);
    rn_chan_send(q->done, &rc, RN_NOWAIT);
    query_unref(q);
}

/* A bind that was asked for and not yet answered when its session ended begins anew under the next one.  Not one that makes
 * a reply channel: the home may have made that, and its name is no new one any more; who binds draws another. */
static bool side_begins_anew(struct rn_node *n, struct handle *h)
{
    for (int dir = 0; dir < 2; dir++) {
        const struct side *side = &h->side[dir];
        if (side->state == SIDE_BOUND || side->state == SIDE_UNBINDING || h->over)
            return false;
        if (side->state == SIDE_BINDING && side->maker) {
            rn_reached("connection: a reply channel is made anew under the next session");
            return false;
        }
    }
    if (n->stage == NODE_CLOSING || n->stage == NODE_ENDED)
        return false;
    rn__chan_lock(h->chan);
    for (int dir = 0; dir < 2; dir++)
        if (h->side[dir].state == SIDE_BINDING) {
            rn_reached("connection: a bind begins anew under the next session");
            h->side[dir].state = h->side[dir].abandoned ? SIDE_NONE : SIDE_PENDING;
            n->binds_due = true;
        }
    rn__chan_unlock(h->chan);
    return true;
}

static void handle_ends(struct rn_node *n, struct handle *h, int rc)
{
    bool anew = side_begins_anew(n, h);
    if (!anew)
        handle_over(h, rc);
    for (int dir = 0; dir < 2 && !anew; dir++) {
        rn__chan_lock(h->chan);
        h->side[dir].state = SIDE_OVER;
        rn__chan_unlock(h->chan);
        traffic_reply(&h->side[dir], rc);
    }
    traffic_delist(n, h, rc);
}

void node_session_over(struct rn_node *n, int rc)
{
    node_disconnect(n);
    keyed_fini(&n->sides);
    struct handle *h, *next;
    for (h = TAILQ_FIRST(&n->handles); h != NULL; h = next) {
        next = TAILQ_NEXT(h, all);
        handle_ends(n, h, rc);
    }
    struct query *q, *more;
    HASH_ITER(hh, n->queries, q, more)
        if (!query_goes_on(n, q))
            query_end(n, q, rc);
    inspections_end(n);
    frame_writer_fini(&n->writer);
    n->writer = (struct frame_writer){ 0 };
    session_free(n->session);
    n->session = NULL;
    n->binds = 0;
}

/* ---- what the lease allows ---- */

struct uplink_facts node_facts(struct rn_node *n)
{
    struct uplink_facts f = { .doubt = atomic_load(&n->doubts) > 0 || n->yield_ns != INT64_MAX };
    if (n->session != NULL) {
        f.heard_ns = session_heard_ns(n->session);
        f.confirmed_ns = session_confirmed_ns(n->session);
        f.unacked_ns = session_unacked_ns(n->session);
    }
    return f;
}

/* What the lease allows from now on, and whom that lets go on. */
void node_publish(struct rn_node *n)
{
    if (n->session == NULL)
        return;
    struct uplink *u = &n->uplink;
    int64_t confirmed_ns = session_confirmed_ns(n->session);
    if (confirmed_ns > u->confirmed_ns)
        u->confirmed_ns = confirmed_ns;
    atomic_store(&n->confirmed_ns, u->confirmed_ns);
    atomic_store(&n->unacked_ns, session_unacked_ns(n->session));
    int64_t before_ns = atomic_exchange(&n->end_ns, uplink_lease_end(u));
    if (n->leased == session_id(n->session) && atomic_load(&n->ended_ns) == before_ns) {
        rn_reached("connection: the lease is renewed too late");
        /* This lease was renewed too late: some operation has failed over its end, so all others must. */
        uplink_forget(u, rn__boottime());
        node_session_over(n, RN_ESESSION);
        return;
    }
    n->leased = session_id(n->session);
    atomic_store(&n->fence_ns, uplink_fence(u));
    if (rn__boottime() >= uplink_fence(u) || !atomic_exchange(&n->fenced, false))
        return;
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    handle_serve(h);
}

/* ---- greeting ---- */

/* Handles are looked at only when some bind of theirs could not be said: there may be very many of them. */
void node_ask_again(struct rn_node *n)
{
    struct handle *h;
    if (!n->binds_due)
        return;
    n->binds_due = false; /* set again by those that still cannot */
    TAILQ_FOREACH(h, &n->handles, all)
    for (int dir = 0; dir < 2; dir++)
        traffic_bind(n, &h->side[dir]);
}

/* A new session begins. */
static int node_welcome_new(struct rn_node *n, uint64_t id)
{
    rn_assert(n->session == NULL);
    n->session = session_new(id);
    if (n->session == NULL)
        return -ENOMEM;
    n->clock = (struct home_clock){ 0 }; /* it may be another home */
    node_ask_again(n);
    struct query *q, *more;
    HASH_ITER(hh, n->queries, q, more)
        traffic_query(n, q);
    return 0;
}

static int node_welcome_back(struct rn_node *n, const struct frame_view *view)
{
    const char *why = "";
    if (view->session != session_id(n->session) || !view->welcome->resumed)
        return -EPROTO;
    return session_resume(n->session, view->welcome->received, &why);
}

static void node_welcomed(struct rn_node *n, const struct frame_view *view)
{
    if (n->uplink.state != UPLINK_GREETING)
        return;
    int rc = n->session != NULL ? node_welcome_back(n, view) : node_welcome_new(n, view->session);
    if (rc < 0) {
        if (n->session != NULL) {
            uplink_forget(&n->uplink, rn__boottime());
            node_session_over(n, RN_ESESSION);
        } else {
            node_broken(n);
        }
        return;
    }
    n->hangups = 0;
    clock_learn(&n->clock, view->welcome->clock_ms, rn__boottime());
    uplink_welcomed(&n->uplink, view->welcome->lease_ms, rn__boottime());
    atomic_fetch_add(&n->welcomes, 1);
    atomic_store(&n->up, true);
    node_publish(n);
    node_opened(n, 0);
}

static void node_refused(struct rn_node *n, const struct wire_refusal *refusal)
{
    node_note_error(n, refusal->sentence);
    bool over = uplink_refused(&n->uplink, refusal->code, rn__boottime());
    if (over || n->session != NULL)
        /* A broker that is stopped takes its memory channels with it. */
        node_session_over(n, refusal->code == WIRE_HOME_LOST || refusal->code == WIRE_SHUTDOWN
                                 ? RN_EHOMELOST
                                 : RN_ESESSION);
    node_disconnect(n);
    /* What time does not mend ends the opening. */
    if (refusal->code == WIRE_VERSION_UNKNOWN || refusal->code == WIRE_DENIED ||
        refusal->code == WIRE_PROTOCOL)
        node_opened(n, node_error(refusal->code, 0));
}

void node_frame(struct rn_node *n, struct frame *frame)
{
    struct frame_view view;
    const char *why = "";
    int rc = frame_read(&view, frame->data, frame->len, &why);
    if (rc < 0) {
        node_broken(n);
        return;
    }
    if (view.refusal != NULL) {
        node_refused(n, view.refusal);
    } else if (view.welcome != NULL) {
        node_welcomed(n, &view);
    } else if (n->session != NULL && n->uplink.state == UPLINK_UP &&
               view.session == session_id(n->session)) {
        rc = session_input(n->session, &view, rn__boottime(), &why);
        if (rc == SESSION_HAND_ON)
            rc = incoming_frame(n, &view, frame);
        else if (rc == SESSION_GAP)
            node_broken(n);
        if (rc < 0) {
            node_note_error(n, rc == -EPROTO ? "the broker broke the protocol" : rn_strerror(rc));
            uplink_forget(&n->uplink, rn__boottime());
            node_session_over(n, RN_ESESSION);
        }
    }
    frame_view_fini(&view);
}

/* ---- what time asks for ---- */

static int node_hello(struct rn_node *n)
{
    struct wire_hello hello = {
        .version = WIRE_VERSION,
        .name = n->name,
        .lease_ms = n->lease_ms,
        .resume = n->session != NULL,
        .received = n->session != NULL ? session_received(n->session) : 0,
    };
    memcpy(hello.instance, n->instance, sizeof hello.instance);
    struct frame *f = frame_of_hello(n->session != NULL ? session_id(n->session) : 0, &hello);
    if (f == NULL)
        return -ENOMEM;
    int rc = link_send(n->link, n->peer, f);
    frame_unref(f);
    return rc;
}

const char *node_url(const struct rn_node *n, unsigned i)
{
    const char *url = n->urls;
    while (i-- > 0)
        url += strlen(url) + 1;
    return url;
}

static void node_dial(struct rn_node *n)
{
    node_disconnect(n);
    int rc = link_dial(n->link, node_url(n, n->uplink.url), &n->peer);
    if (rc < 0)
        n->peer = 0;
    if (rc == 0)
        rc = node_hello(n);
    if (rc == -EINVAL)
        node_opened(n, rc); /* no URL: waiting will not make it one */
    if (rc < 0)
        node_broken(n);
}

void node_step(struct rn_node *n)
{
    for (;;) {
        struct uplink_facts facts = node_facts(n);
        switch (uplink_step(&n->uplink, &facts, rn__boottime())) {
        case UPLINK_NOTHING:
            return;
        case UPLINK_DIAL:
            node_dial(n);
            break;
        case UPLINK_DROP:
            node_disconnect(n);
            break;
        case UPLINK_PROBE:
            traffic_counts(n);
            n->starved |= session_probe(n->session) < 0;
            break;
        case UPLINK_OVER:
            node_session_over(n, RN_ESESSION);
            break;
        }
        if (n->stage == NODE_ENDED)
            return;
    }
}
