/* node.c - a process and its link to a broker: opening, the link goroutine, requests, the end.
 *   SPDX-License-Identifier: MIT
 *
 * Invariants:
 *   - the link goroutine sleeps only when no handle is marked, no request waits and its input is drained; who marks
 *     or submits sees `asleep` and wakes it, because each side writes its own word before it reads the other's
 *     (seq_cst);
 *   - fence_ns and end_ns never lie beyond what uplink.h says for the session that handles are bound under: they move
 *     to a new session only after every handle of the old one has failed;
 *   - after `deaf` no request is accepted, and every one that was is answered. */
#include "node/inside.h"

#include "runtime/assert.h"
#include "runtime/rand.h"
#include "runtime/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARVED_NS (10 * RN_MS) /* when something found no memory it is tried again after this */
#define INPUT_MAX  64           /* events handled before output has its turn */
#define UP_NS      (1 * RN_SEC) /* an acknowledged frame sent so recently means: the link is up */

/* ---- words shared with operators ---- */

struct rn_node *node_ref(struct rn_node *n)
{
    /* Relaxed: who makes a reference has one already. */
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

void node_unref(struct rn_node *n)
{
    /* acq_rel: the last one sees all that the others did. */
    if (n == NULL || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) > 1)
        return;
    rn_assert(n->requests == NULL);
    chunk_pool_fini(&n->chunks);
    frame_writer_fini(&n->writer);
    rn_chan_unref(n->opened);
    rn_chan_unref(n->ended);
    pthread_mutex_destroy(&n->lock);
    free(n->name);
    free(n->urls);
    free(n);
}

struct chunk_pool *node_chunks(struct rn_node *n)
{
    return &n->chunks;
}

static void node_poke(struct rn_node *n)
{
    if (!atomic_load(&n->asleep) || !atomic_exchange(&n->asleep, false))
        return;
    pthread_mutex_lock(&n->lock);
    if (!n->deaf) /* the link is closed only after that */
        link_wake(n->link);
    pthread_mutex_unlock(&n->lock);
}

void node_mark(struct rn_node *n, struct handle *h)
{
    if (h->over || atomic_load(&h->dirty) || atomic_exchange(&h->dirty, true))
        return;
    handle_ref(h);
    struct handle *top = atomic_load(&n->dirty);
    do {
        h->dirty_next = top;
    } while (!atomic_compare_exchange_weak(&n->dirty, &top, h));
    node_poke(n);
}

int node_fence(struct rn_node *n)
{
    int64_t now_ns = rn__boottime();
    if (now_ns < atomic_load(&n->fence_ns))
        return 0;
    if (now_ns >= atomic_load(&n->end_ns))
        return RN_ESESSION;
    /* First the note, then a second look: either we see the fence move, or who moves it sees the note. */
    atomic_store(&n->fenced, true);
    return now_ns < atomic_load(&n->fence_ns) ? 0 : RN__NOT_READY;
}

int64_t node_up_until(const struct rn_node *n)
{
    return atomic_load(&n->up) ? atomic_load(&n->confirmed_ns) + UP_NS : 0;
}

void node_doubt(struct rn_node *n, int change)
{
    atomic_fetch_add(&n->doubts, change);
    node_poke(n);
}

bool rn__node_up(const rn_node *node)
{
    return atomic_load(&node->up);
}

/* ---- fork ---- */

static atomic_bool forked; /* set in the child, which has one thread then */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void fork_child(void)
{
    atomic_store(&forked, true);
}

static void fork_watch(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}

bool node_forked(void)
{
    /* Relaxed: it is only ever set before the child's only thread goes on. */
    return atomic_load_explicit(&forked, memory_order_relaxed);
}

/* ---- errors ---- */

int node_error(enum wire_code code, int reason)
{
    switch (code) {
    case WIRE_OK:
        return 0;
    case WIRE_CLOSED:
        return RN_ECLOSED;
    case WIRE_SESSION_OVER:
        return RN_ESESSION;
    case WIRE_MISMATCH:
        return RN_EMISMATCH;
    case WIRE_NOT_FOUND:
        return -ENOENT;
    case WIRE_BAD_NAME:
    case WIRE_BAD_ATTRIBUTE:
        return -EINVAL;
    case WIRE_UNSUPPORTED:
        return -ENOTSUP;
    case WIRE_DENIED:
        return RN_EDENIED;
    case WIRE_HOME_LOST:
        return RN_EHOMELOST;
    case WIRE_NO_MEMORY:
        return -ENOMEM;
    case WIRE_TOO_LARGE:
        return -EMSGSIZE;
    case WIRE_SHUTDOWN:
        return -ESHUTDOWN;
    case WIRE_CANCELLED:
    case WIRE_FAILED:
        return reason < 0 ? reason : RN_ECLOSED;
    case WIRE_PROTOCOL:
    case WIRE_VERSION_UNKNOWN:
        break;
    }
    return -EPROTO;
}

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static char process_why[WIRE_TEXT_MAX + 1]; /* guarded by process_lock */

void node_note_error(struct rn_node *n, const char *sentence)
{
    pthread_mutex_t *lock = n != NULL ? &n->lock : &process_lock;
    char *why = n != NULL ? n->why : process_why;
    pthread_mutex_lock(lock);
    snprintf(why, WIRE_TEXT_MAX + 1, "%s", sentence);
    pthread_mutex_unlock(lock);
}

int rn_node_last_error(rn_node *node, char *buf, size_t size)
{
    pthread_mutex_t *lock = node != NULL ? &node->lock : &process_lock;
    const char *why = node != NULL ? node->why : process_why;
    pthread_mutex_lock(lock);
    int n = snprintf(buf, size, "%s", why);
    pthread_mutex_unlock(lock);
    return n;
}

void rn__node_why(rn_node *node, char *buf, size_t size)
{
    rn_node_last_error(node, buf, size);
}

/* ---- requests ---- */

struct request *request_new(enum request_what what)
{
    struct request *r = calloc(1, sizeof *r);
    if (r != NULL)
        r->what = what;
    return r;
}

void request_side(struct request *r, struct side *side)
{
    r->side = side;
    handle_ref(side->handle);
    rn_chan_ref(side->handle->chan); /* its lock: who asked may have left and let go of it */
}

void request_free(struct request *r)
{
    if (r->side != NULL) {
        rn_chan_unref(r->side->handle->chan);
        handle_unref(r->side->handle);
    }
    if (r->query != NULL)
        query_unref(r->query);
    rn_chan_unref(r->reply);
    free(r);
}

int node_submit(struct rn_node *n, struct request *r)
{
    pthread_mutex_lock(&n->lock);
    bool deaf = n->deaf;
    if (!deaf) {
        *n->requests_end = r;
        n->requests_end = &r->next;
    }
    pthread_mutex_unlock(&n->lock);
    if (deaf)
        return -ESHUTDOWN;
    node_poke(n);
    return 0;
}

static struct request *node_requests(struct rn_node *n, bool deaf)
{
    pthread_mutex_lock(&n->lock);
    struct request *all = n->requests;
    n->requests = NULL;
    n->requests_end = &n->requests;
    n->deaf |= deaf;
    pthread_mutex_unlock(&n->lock);
    return all;
}

static bool node_has_requests(struct rn_node *n)
{
    pthread_mutex_lock(&n->lock);
    bool any = n->requests != NULL;
    pthread_mutex_unlock(&n->lock);
    return any;
}

/* A bind enters the node's tables.  `r` keeps its own reference. */
static void node_admit(struct rn_node *n, struct request *r)
{
    struct side *side = r->side;
    struct handle *h = side->handle;
    side->reply = r->reply;
    r->reply = NULL;
    side->abandoned = false;
    if (n->stage == NODE_CLOSING || h->over) {
        rn__chan_lock(h->chan);
        side->state = SIDE_NONE;
        int rc = h->over ? h->fatal : -ESHUTDOWN;
        rn__chan_unlock(h->chan);
        traffic_reply(side, rc);
        return;
    }
    if (!h->listed) {
        h->listed = true;
        handle_ref(h);
        rn_chan_ref(h->chan);
        TAILQ_INSERT_TAIL(&n->handles, h, all);
    }
    traffic_bind(n, side);
}

/* Who wanted the bind has left.  What was sent is undone when the answer comes. */
static void node_abandon(struct rn_node *n, struct side *side)
{
    struct handle *h = side->handle;
    rn_chan_unref(side->reply);
    side->reply = NULL;
    side->abandoned = true;
    rn__chan_lock(h->chan);
    if (side->state == SIDE_PENDING)
        side->state = SIDE_NONE;
    if (side->state == SIDE_BOUND) {
        atomic_store(&side->usable, false);
        side->closed = -EBADF;
        side->unbind_due = true;
        if (side->dir == RN_IN)
            store_clear(&h->in);
        node_mark(n, h);
    }
    rn__chan_unlock(h->chan);
    traffic_delist(n, h, -ESHUTDOWN);
}

static void node_close_begin(struct rn_node *n)
{
    if (n->stage == NODE_CLOSING)
        return;
    n->stage = NODE_CLOSING;
    struct handle *h, *next;
    for (h = TAILQ_FIRST(&n->handles); h != NULL; h = next) {
        next = TAILQ_NEXT(h, all);
        handle_fail(h, -ESHUTDOWN);
        for (int dir = 0; dir < 2; dir++) {
            if (h->side[dir].state != SIDE_PENDING)
                continue;
            rn__chan_lock(h->chan);
            h->side[dir].state = SIDE_NONE;
            rn__chan_unlock(h->chan);
            traffic_reply(&h->side[dir], -ESHUTDOWN);
        }
        traffic_delist(n, h, -ESHUTDOWN);
    }
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

static void node_query(struct rn_node *n, struct query *q)
{
    q->id = ++n->query_ids;
    HASH_ADD_INT(n->queries, id, q);
    traffic_query(n, q);
}

static void node_serve_requests(struct rn_node *n)
{
    struct request *r = node_requests(n, false);
    while (r != NULL) {
        struct request *next = r->next;
        switch (r->what) {
        case REQUEST_BIND:
            node_admit(n, r);
            break;
        case REQUEST_ABANDON:
            node_abandon(n, r->side);
            break;
        case REQUEST_QUERY:
            node_query(n, r->query);
            r->query = NULL; /* the table has the reference now */
            break;
        case REQUEST_CLOSE:
            node_close_begin(n);
            break;
        case REQUEST_ABORT:
            node_close_begin(n);
            n->aborted = true;
            break;
        case REQUEST_CRASH:
            n->stage = NODE_ENDED;
            break;
        }
        request_free(r);
        r = next;
    }
}

/* ---- the session ---- */

static void node_disconnect(struct rn_node *n)
{
    atomic_store(&n->up, false);
    if (n->session != NULL)
        session_suspend(n->session);
    if (n->peer != 0)
        link_drop(n->link, n->peer);
    n->peer = 0;
}

static void node_broken(struct rn_node *n)
{
    node_disconnect(n);
    uplink_broken(&n->uplink, rn__boottime());
}

static void query_end(struct rn_node *n, struct query *q, int rc)
{
    HASH_DEL(n->queries, q);
    rn_chan_send(q->done, &rc, RN_NOWAIT);
    query_unref(q);
}

/* A bind that was asked for and not yet answered when its session ended begins anew under the next one. */
static bool side_begins_anew(struct rn_node *n, struct handle *h)
{
    for (int dir = 0; dir < 2; dir++)
        if (h->side[dir].state == SIDE_BOUND || h->side[dir].state == SIDE_UNBINDING || h->over)
            return false;
    if (n->stage == NODE_CLOSING || n->stage == NODE_ENDED)
        return false;
    rn__chan_lock(h->chan);
    for (int dir = 0; dir < 2; dir++)
        if (h->side[dir].state == SIDE_BINDING)
            h->side[dir].state = h->side[dir].abandoned ? SIDE_NONE : SIDE_PENDING;
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
    HASH_CLEAR(hh, n->sides);
    struct handle *h, *next;
    for (h = TAILQ_FIRST(&n->handles); h != NULL; h = next) {
        next = TAILQ_NEXT(h, all);
        handle_ends(n, h, rc);
    }
    struct query *q, *more;
    HASH_ITER(hh, n->queries, q, more)
        if (q->frames != NULL || n->stage == NODE_ENDED)
            query_end(n, q, rc);
    frame_writer_fini(&n->writer);
    n->writer = (struct frame_writer){ 0 };
    session_free(n->session);
    n->session = NULL;
    n->binds = 0;
}

/* Pending binds and unanswered questions go out; both are few. */
static void node_ask_again(struct rn_node *n)
{
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    for (int dir = 0; dir < 2; dir++)
        traffic_bind(n, &h->side[dir]);
}

static void node_opened(struct rn_node *n, int rc)
{
    if (n->stage != NODE_OPENING)
        return;
    n->stage = rc == 0 ? NODE_OPEN : NODE_ENDED;
    rn_chan_send(n->opened, &rc, RN_NOWAIT);
}

/* A new session begins. */
static int node_welcome_new(struct rn_node *n, uint64_t id)
{
    rn_assert(n->session == NULL);
    n->session = session_new(id);
    if (n->session == NULL)
        return -ENOMEM;
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

static void node_publish(struct rn_node *n);

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
    uplink_welcomed(&n->uplink, view->welcome->lease_ms, rn__boottime());
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

static void node_frame(struct rn_node *n, struct frame *frame)
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
            rc = traffic_input(n, &view, frame);
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

/* ---- the loop ---- */

static struct uplink_facts node_facts(struct rn_node *n)
{
    struct uplink_facts f = { .doubt = atomic_load(&n->doubts) > 0 };
    if (n->session != NULL) {
        f.heard_ns = session_heard_ns(n->session);
        f.confirmed_ns = session_confirmed_ns(n->session);
        f.unacked_ns = session_unacked_ns(n->session);
    }
    return f;
}

/* What the lease allows from now on, and whom that lets go on. */
static void node_publish(struct rn_node *n)
{
    if (n->session == NULL)
        return;
    struct uplink *u = &n->uplink;
    int64_t confirmed_ns = session_confirmed_ns(n->session);
    if (confirmed_ns > u->confirmed_ns)
        u->confirmed_ns = confirmed_ns;
    atomic_store(&n->confirmed_ns, u->confirmed_ns);
    atomic_store(&n->end_ns, uplink_lease_end(u));
    atomic_store(&n->fence_ns, uplink_fence(u));
    if (rn__boottime() >= uplink_fence(u) || !atomic_exchange(&n->fenced, false))
        return;
    struct handle *h;
    TAILQ_FOREACH(h, &n->handles, all)
    handle_serve(h);
}

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

static const char *node_url(const struct rn_node *n, unsigned i)
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

static void node_step(struct rn_node *n)
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
            node_broken(n);
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
    int64_t left_ns = uplink_deadline(&n->uplink, &facts) - rn__boottime();
    return left_ns > 0 ? rn_after(left_ns) : RN_NOWAIT;
}

/* Waits for something to happen, then takes what there is.  < 0: the link itself is of no more use. */
static int node_input(struct rn_node *n)
{
    atomic_store(&n->asleep, true);
    bool busy = atomic_load(&n->dirty) != NULL || node_has_requests(n) ||
                (n->held != NULL && atomic_load(&n->up));
    rn_time deadline = busy ? RN_NOWAIT : node_deadline(n);
    struct link_event event;
    int rc = link_recv(n->link, &event, deadline);
    atomic_store(&n->asleep, false);
    for (int i = 0; rc == 0 && i < INPUT_MAX; i++) {
        node_event(n, &event);
        rc = link_recv(n->link, &event, RN_NOWAIT);
    }
    if (rc == 0)
        node_event(n, &event);
    if (rc == RN_ETIMEDOUT && n->session != NULL)
        session_ack_now(n->session);
    return rc == RN_ETIMEDOUT ? 0 : rc;
}

static void node_output(struct rn_node *n)
{
    if (n->session == NULL || n->uplink.state != UPLINK_UP) {
        traffic_gather(n); /* kept until there is a connection */
        return;
    }
    node_ask_again(n);
    if (traffic_output(n) < 0)
        node_broken(n);
}

/* Nothing is left to say but goodbye. */
static bool node_drained(struct rn_node *n)
{
    return TAILQ_EMPTY(&n->handles) && (n->session == NULL || session_idle(n->session));
}

static void node_goodbye(struct rn_node *n)
{
    if (n->session == NULL || n->uplink.state != UPLINK_UP)
        return;
    struct wire_control c = { .what = WIRE_GOODBYE };
    if (session_control(n->session, &c) == 0)
        traffic_pump(n);
}

static void node_answer_the_rest(struct rn_node *n)
{
    struct request *r = node_requests(n, true);
    while (r != NULL) {
        struct request *next = r->next;
        int rc = -ESHUTDOWN;
        if (r->what == REQUEST_BIND) {
            rn__chan_lock(r->side->handle->chan);
            r->side->state = SIDE_NONE;
            rn__chan_unlock(r->side->handle->chan);
        }
        if (r->query != NULL)
            rn_chan_send(r->query->done, &rc, RN_NOWAIT);
        if (r->reply != NULL)
            rn_chan_send(r->reply, &rc, RN_NOWAIT);
        request_free(r);
        r = next;
    }
}

static void node_end(struct rn_node *n)
{
    bool drained = n->stage == NODE_CLOSING && node_drained(n);
    struct ending ending = { .unsent = node_unsent(n) };
    ending.rc = drained && ending.unsent == 0 ? 0 : RN_ETIMEDOUT;
    if (n->stage == NODE_CLOSING)
        node_goodbye(n);
    bool shut = n->stage == NODE_CLOSING;
    n->stage = NODE_ENDED;
    node_session_over(n, shut ? -ESHUTDOWN : RN_ESESSION);
    node_answer_the_rest(n);
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

static void node_run(void *arg)
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
    }
    node_opened(n, rc < 0 ? rc : -ESHUTDOWN);
    node_end(n);
}

/* ---- opening and closing ---- */

static uint64_t node_random(void *arg)
{
    (void)arg;
    return rn__rand64();
}

/* Copies a list of URLs without its commas.  0, -EINVAL or -ENOMEM. */
static int node_urls(struct rn_node *n, const char *list)
{
    n->urls = strdup(list);
    if (n->urls == NULL)
        return -ENOMEM;
    n->n_urls = 1;
    for (char *at = n->urls; *at != '\0'; at++) {
        if (*at != ',')
            continue;
        *at = '\0';
        n->n_urls++;
    }
    for (unsigned i = 0; i < n->n_urls; i++) {
        const char *colon = strstr(node_url(n, i), "://");
        if (colon == NULL || colon == node_url(n, i) || colon[3] == '\0')
            return -EINVAL;
    }
    return 0;
}

static struct rn_node *node_new(const rn_node_opts *opts, const char *url, int *rc)
{
    struct rn_node *n = calloc(1, sizeof *n);
    *rc = -ENOMEM;
    if (n == NULL)
        return NULL;
    atomic_init(&n->refs, 1);
    pthread_mutex_init(&n->lock, NULL);
    n->requests_end = &n->requests;
    TAILQ_INIT(&n->handles);
    TAILQ_INIT(&n->turns);
    n->name = strdup(opts->name);
    n->opened = rn_chan_new(sizeof(int), 1, NULL);
    n->ended = rn_chan_new(sizeof(struct ending), 1, NULL);
    n->lease_ms = (uint64_t)((opts->lease_ns + RN_MS - 1) / RN_MS);
    if (n->name == NULL || n->opened == NULL || n->ended == NULL)
        goto fail;
    *rc = node_urls(n, url);
    if (*rc < 0)
        goto fail;
    rn__entropy(n->instance, sizeof n->instance);
    struct uplink_opts uplink = {
        .lease_ns = opts->lease_ns > 0 ? opts->lease_ns : WIRE_LEASE_DEFAULT_MS * RN_MS,
        .urls = n->n_urls,
        .random = node_random,
    };
    uplink_init(&n->uplink, &uplink, rn__boottime());
    return n;

fail:
    node_unref(n);
    return NULL;
}

/* Asks the link goroutine to end, and waits until it has. */
static struct ending node_stop(struct rn_node *n, enum request_what what)
{
    struct ending ending = { .rc = -ESHUTDOWN };
    struct request *r = request_new(what);
    rn_shield(1);
    rn_hold();
    while (r == NULL) { /* there is no other way to end */
        rn_sleep(rn_after(STARVED_NS));
        r = request_new(what);
    }
    if (node_submit(n, r) < 0)
        request_free(r); /* it ends already */
    rn_chan_recv(n->ended, &ending, RN_FOREVER);
    rn_release();
    rn_shield(0);
    node_unref(n);
    return ending;
}

int rn__node_open_on(rn_node **node, const rn_node_opts *opts, struct link *link, const char *url,
                     rn_time deadline)
{
    pthread_once(&fork_once, fork_watch);
    rn_node_opts o = opts != NULL ? *opts : (rn_node_opts){ 0 };
    if (o.name == NULL)
        o.name = "node";
    int rc = -EINVAL;
    struct rn_node *n = o.lease_ns < 0 ? NULL : node_new(&o, url, &rc);
    if (n == NULL) {
        link_close(link);
        return rc;
    }
    n->link = link;
    node_ref(n); /* the link goroutine's */
    rc = rn__go_system(node_run, n, "runnel link");
    if (rc < 0) {
        link_close(link);
        node_unref(n);
        node_unref(n);
        return rc;
    }
    rn_hold();
    int result = 0;
    rc = rn_chan_recv(n->opened, &result, deadline);
    rn_release();
    if (rc == 0)
        rc = result;
    if (rc < 0) {
        char why[WIRE_TEXT_MAX + 1];
        rn_node_last_error(n, why, sizeof why);
        node_note_error(NULL, why);
        node_stop(n, REQUEST_CRASH);
        return rc;
    }
    *node = n;
    return 0;
}

int rn_node_close(rn_node *node, rn_time deadline, uint64_t *unsent)
{
    if (unsent != NULL)
        *unsent = 0;
    if (node == NULL)
        return 0;
    if (node_forked())
        return -ESHUTDOWN;
    struct ending ending = { 0 };
    struct request *r = request_new(REQUEST_CLOSE);
    int rc = -ENOMEM;
    if (r != NULL) {
        if (node_submit(node, r) < 0)
            request_free(r);
        rn_hold();
        rc = rn_chan_recv(node->ended, &ending, deadline);
        rn_release();
    }
    if (rc == 0)
        node_unref(node);
    else
        ending = node_stop(node, REQUEST_ABORT);
    if (unsent != NULL)
        *unsent = ending.unsent;
    return ending.rc;
}

void rn__node_crash(rn_node *node)
{
    if (node != NULL)
        node_stop(node, REQUEST_CRASH);
}
