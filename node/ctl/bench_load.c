/* bench_load.c - what the processes of `runnel bench` do: plain sends and receives.   SPDX-License-Identifier: MIT
 *
 * Each is a process of its own, made by fork from one that has no scheduler, with its own node.  An element up to BY_VALUE_MAX
 * is a struct that lies in the channel's elements, as a program would have it; a larger one is an rn_bytes. */
#include "node/ctl/bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BY_VALUE_MAX 4096
#define AT_ONCE      256 /* goroutines that open or bind what there may be a hundred thousand of */

#define CONNECTING_MAX 4 /* processes that open idle connections at the same time */

#define PONGS      "pong"
#define SLOW_WORKS (10 * RN_MS) /* a consumer that is ten times slower than it could be ... */
#define SLOW_RESTS (90 * RN_MS)

/* ---- elements ---- */

union element {
    struct element_head head;
    uint8_t bytes[BY_VALUE_MAX];
    rn_bytes large;
    rn_msg message;
};

struct work {
    const struct bench_load *load;
    struct board_line *line;
    int number; /* among the goroutines of the load */
    rn_node *node;
    rn_chan **chans;
    int n_chans;
    int *status;
};

static bool by_value(const struct bench_load *l)
{
    return l->opts->size <= BY_VALUE_MAX;
}

static int bytes_send(const struct bench_load *l, rn_chan *c, struct element_head head)
{
    rn_bytes bytes;
    int rc = rn_bytes_new(&bytes, NULL, (size_t)l->opts->size);

    if (rc < 0)
        return rc;
    memcpy(bytes.data, &head, sizeof head);
    rc = rn_chan_send(c, &bytes, RN_FOREVER);
    if (rc < 0)
        rn_bytes_free(&bytes);
    return rc;
}

static inline int element_send(const struct bench_load *l, rn_chan *c, union element *e,
                               struct element_head head)
{
    if (!by_value(l))
        return bytes_send(l, c, head);
    e->head = head;
    return rn_chan_send(c, e, RN_FOREVER);
}

static struct element_head head_of(const struct bench_load *l, const rn_bytes *bytes)
{
    struct element_head head = { .where = UINT64_MAX };

    if (bytes->len == (size_t)l->opts->size)
        memcpy(&head, bytes->data, sizeof head);
    return head;
}

/* Of one that was received, and is done with. */
static int element_done(const struct bench_load *l, union element *e, struct element_head *head)
{
    if (l->opts->manual_ack) {
        *head = head_of(l, &e->message.bytes);
        return rn_msg_ack(&e->message);
    }
    *head = head_of(l, &e->large);
    rn_bytes_free(&e->large);
    return 0;
}

static inline int element_receive(const struct bench_load *l, rn_chan *c, union element *e,
                                  struct element_head *head)
{
    int rc = rn_chan_recv(c, e, RN_FOREVER);

    if (rc < 0)
        return rc;
    if (l->opts->manual_ack || !by_value(l))
        return element_done(l, e, head);
    *head = e->head;
    return 0;
}

/* ---- opening and binding ---- */

static void load_await(const struct bench_load *l, enum board_stage stage)
{
    while (board_stage(l->board) < stage)
        rn_sleep(rn_after(RN_MS));
}

static int load_open(const struct bench_load *l, rn_node **node, const char *name)
{
    if (ctl_open(node, &l->ctl, name, rn_after(l->ctl.wait_ns)) == CTL_OK)
        return CTL_OK;
    board_may_say(l->board); /* it has */
    return CTL_FAILED;
}

static int load_bind(const struct bench_load *l, rn_node *node, rn_chan **chan, enum rn_dir dir,
                     const char *suffix)
{
    rn_codec structs = rn_codec_struct("bench", (size_t)l->opts->size);
    rn_bind_opts bind = { .capacity = l->opts->capacity,
                          .confirm = dir == RN_OUT && l->opts->confirm,
                          .autoclose = dir == RN_OUT,
                          .manual_ack = dir == RN_IN && l->opts->manual_ack };
    const rn_codec *codec = bind.manual_ack ? &rn_codec_msg
                            : by_value(l)   ? &structs
                                            : &rn_codec_bytes;
    char name[128];

    snprintf(name, sizeof name, "%s.%s", l->prefix, suffix);
    if (ctl_bind(chan, node, name, dir, codec, &bind, &l->ctl) >= 0)
        return CTL_OK;
    board_may_say(l->board); /* it has */
    return CTL_FAILED;
}

/* Says once, for all processes, why a goroutine cannot go on. */
static void work_failed(const struct work *w, const char *what, int rc)
{
    *w->status = CTL_FAILED;
    if (!board_may_say(w->load->board))
        _exit(CTL_FAILED);
    if (rc == RN_ESESSION)
        ctl_say("the broker at %s has ended, or has not answered for too long",
                w->load->ctl.broker);
    else
        ctl_say("cannot %s a channel of the measurement: %s", what, rn_strerror(rc));
    _exit(CTL_FAILED); /* the coordinator ends the others */
}

/* Runs fn(&arg) in so many goroutines, but no more than AT_ONCE, and waits for their ends: for what is a matter of round
 * trips.  0, or an error of starting them. */
static int at_once(rn_fn *fn, void *arg, int n)
{
    rn_group *g = rn_group_new();
    int rc = g ? 0 : -ENOMEM;

    for (int i = 0; i < n && i < AT_ONCE && rc == 0; i++)
        rc = rn_group_go(g, fn, &arg, sizeof arg);
    if (rc == 0)
        rc = rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
    return rc;
}

/* ---- streams ---- */

static inline void produce_one(const struct work *w, int chan, uint64_t *number, union element *e)
{
    const struct bench_load *l = w->load;
    struct element_head head = element_next((uint64_t)(number - l->board->sent), *number,
                                            l->opts->size);
    int rc;

    if (!l->stamped)
        head.sent_ns = 0;
    rc = element_send(l, w->chans[chan], e, head);
    if (rc < 0)
        work_failed(w, "send into", rc);
    ++*number;
}

/* The first element of a producer into each of its channels. */
struct first {
    const struct work *work;
    uint64_t *sent; /* in channel k: sent[k * producers] */
    atomic_int next;
};

static void produce_first(void *arg)
{
    struct first *f = *(struct first **)arg;
    const struct work *w = f->work;
    union element e;

    for (int k; (k = atomic_fetch_add(&f->next, 1)) < w->n_chans;)
        produce_one(w, k, &f->sent[(uint64_t)k * w->load->producers], &e);
}

/* It waits for credit; among many channels that would be all that is measured.  So it is sent before, into many at once. */
static void produce_firsts(const struct work *w, uint64_t *sent)
{
    struct first f = { .work = w, .sent = sent };
    int rc = at_once(produce_first, &f, w->n_chans);

    if (rc < 0)
        work_failed(w, "send into", rc);
}

static void produce(void *arg)
{
    const struct work *w = arg;
    const struct bench_load *l = w->load;
    struct board *b = l->board;
    uint64_t *sent = b->sent + l->first_stream +
                     (uint64_t)(l->first_line + w->number) % l->producers;
    union element e;

    rn_set_name("producer");
    if (w->n_chans > 1)
        produce_firsts(w, sent);
    line_set_state(w->line, LINE_BOUND);
    load_await(l, BOARD_WARMING);
    for (int k = 0; board_stage(b) < BOARD_ENDING; k = k + 1 < w->n_chans ? k + 1 : 0) {
        produce_one(w, k, &sent[(uint64_t)k * l->producers], &e);
        board_count(w->line);
    }
}

/* Rests nine tenths of the time. */
static void rest(const struct bench_load *l, rn_time *since)
{
    if (rn_now() - *since < SLOW_WORKS || board_stage(l->board) == BOARD_ENDING)
        return;
    rn_sleep(rn_after(SLOW_RESTS));
    *since = rn_now();
}

static void consume(void *arg)
{
    const struct work *w = arg;
    const struct bench_load *l = w->load;
    uint64_t channel = (uint64_t)w->number % (uint64_t)l->channels;
    struct element_head head;
    rn_time since = rn_now();
    struct tally tally;
    union element e;
    int rc = tally_init(&tally, l->board->log, l->first_stream + channel * l->producers,
                        l->producers);

    rn_set_name("consumer");
    while (rc == 0) {
        rc = element_receive(l, w->chans[0], &e, &head);
        if (rc < 0)
            break;
        element_taken(l->board, &tally, &head);
        board_count(w->line);
        if (l->slow)
            rest(l, &since);
    }
    if (rc != RN_ECLOSED || rn_chan_err(w->chans[0]) < 0)
        work_failed(w, "receive from", rc != RN_ECLOSED ? rc : rn_chan_err(w->chans[0]));
    tally_fini(&tally);
}

/* ---- pings ---- */

static void ping(void *arg)
{
    const struct work *w = arg;
    const struct bench_load *l = w->load;
    int64_t interval_ns = RN_SEC / l->opts->rate;
    uint64_t *number = &l->board->sent[0];
    union element e = { 0 };
    struct element_head head;
    struct tally tally;
    int rc = tally_init(&tally, l->board->log, 0, 1);

    rn_set_name("ping");
    load_await(l, BOARD_WARMING);
    for (rn_time due = rn_now(); rc == 0 && board_stage(l->board) < BOARD_ENDING;) {
        int64_t begin = measure_now_ns();

        rc = element_send(l, w->chans[0], &e, (struct element_head){ .where = *number });
        if (rc == 0)
            rc = element_receive(l, w->chans[1], &e, &head);
        if (rc < 0)
            break;
        if (board_stage(l->board) == BOARD_COUNTING)
            histogram_record_corrected(l->board->histogram, measure_now_ns() - begin, interval_ns);
        tally_take(&tally, head.where >> 40, head.where & ((UINT64_C(1) << 40) - 1));
        ++*number;
        board_count(w->line);
        due = due + interval_ns > rn_now() ? due + interval_ns : rn_now();
        rc = rn_sleep(due);
    }
    if (rc < 0)
        work_failed(w, "send into or receive from", rc);
    tally_fini(&tally);
}

static void echo(void *arg)
{
    const struct work *w = arg;
    union element e;
    struct element_head head;
    int rc;

    rn_set_name("echo");
    while ((rc = element_receive(w->load, w->chans[0], &e, &head)) == 0) {
        board_count(w->line);
        rc = element_send(w->load, w->chans[1], &e, head);
        if (rc < 0)
            break;
    }
    if (rc != RN_ECLOSED)
        work_failed(w, "receive from or send into", rc);
}

/* ---- processes ---- */

/* All that the goroutines of a process need, and what it comes to. */
struct team {
    struct bench_load *load;
    rn_fn *fn;
    bool in; /* its first channel is bound IN, and with the consumers */
    bool pings;
    struct work *works;
    int n, status;
    atomic_int next; /* channel to be bound, of all that the works have one after the other */
};

static int team_open(struct team *t, const char *name)
{
    const struct bench_load *l = t->load;

    for (int i = 0; i < t->n; i++) {
        struct work *w = &t->works[i];

        w->node = i > 0 ? t->works[0].node : NULL;
        if ((i == 0 || l->own_nodes) && load_open(l, &w->node, name) != CTL_OK)
            return CTL_FAILED;
    }
    for (int i = 0; i < t->n; i++)
        line_set_state(t->works[i].line, LINE_OPEN);
    return CTL_OK;
}

static int work_bind_pings(struct work *w, bool echoes)
{
    const char *first = echoes ? "ping" : PONGS, *second = echoes ? PONGS : "ping";
    int status = load_bind(w->load, w->node, &w->chans[echoes ? 0 : 1], RN_IN, first);

    if (status == CTL_OK)
        status = load_bind(w->load, w->node, &w->chans[echoes ? 1 : 0], RN_OUT, second);
    return status;
}

/* Channel k of a work; false: it has been said why not. */
static bool work_bind(const struct team *t, struct work *w, int k)
{
    const struct bench_load *l = t->load;
    char suffix[32];

    snprintf(suffix, sizeof suffix, "%d", t->in ? w->number % l->channels : k);
    return load_bind(l, w->node, &w->chans[k], t->in ? RN_IN : RN_OUT, suffix) == CTL_OK;
}

static void bind_next(void *arg)
{
    struct team *t = *(struct team **)arg;
    int each = t->works[0].n_chans;

    for (int i; (i = atomic_fetch_add(&t->next, 1)) < t->n * each;) {
        struct work *w = &t->works[i / each];

        if (!work_bind(t, w, i % each))
            _exit(CTL_FAILED); /* before another one says the same */
        if (t->fn != produce)
            line_set_state(w->line, LINE_BOUND);
    }
}

static int team_bind(struct team *t)
{
    int rc = 0;

    load_await(t->load, t->in ? BOARD_BINDING_IN : BOARD_BINDING_OUT);
    if (t->pings && work_bind_pings(&t->works[0], t->in) != CTL_OK)
        return CTL_FAILED;
    if (t->pings)
        line_set_state(t->works[0].line, LINE_BOUND);
    else
        rc = at_once(bind_next, t, t->n * t->works[0].n_chans);
    if (t->load->first_stream == 0)
        atomic_store(&t->load->board->capacity, (int64_t)rn_chan_cap(t->works[0].chans[0]));
    return rc < 0 ? ctl_say("cannot start a goroutine: %s", rn_strerror(rc)) : CTL_OK;
}

static int team_work(struct team *t)
{
    rn_group *g = rn_group_new();
    int rc = g ? 0 : -ENOMEM;

    for (int i = 0; i < t->n && rc == 0; i++)
        rc = rn_group_go(g, t->fn, &t->works[i], sizeof t->works[i]);
    if (rc == 0)
        rc = rn_group_wait(g, RN_FOREVER);
    rn_group_free(g);
    return rc < 0 ? ctl_say("cannot start a goroutine: %s", rn_strerror(rc)) : t->status;
}

/* In the order of a program that has done its work: what was sent is accepted, then the last sender's close is told. */
static int team_close(struct team *t)
{
    uint64_t unsent = 0;
    int status = CTL_OK;

    for (int i = 0; i < t->n; i++) {
        struct work *w = &t->works[i];

        if (i > 0 && !t->load->own_nodes)
            break;
        if (rn_node_close(w->node, rn_after(60 * RN_SEC), &unsent) < 0)
            status = ctl_say("the broker did not accept the last %llu elements",
                             (unsigned long long)unsent);
    }
    return status;
}

static int team_run(void *arg)
{
    struct team *t = arg;
    int status = team_open(t, t->in ? "consumer" : "producer");

    if (status == CTL_OK)
        status = team_bind(t);
    if (status == CTL_OK)
        status = team_work(t);
    return status == CTL_OK ? team_close(t) : status;
}

static int team_main(struct team *t, int chans_each, const char *name)
{
    struct bench_load *l = t->load;

    prctl(PR_SET_NAME, name);
    signal(SIGPIPE, SIG_IGN);
    t->n = l->n;
    t->works = calloc((size_t)l->n, sizeof *t->works);
    for (int i = 0; t->works && i < l->n; i++) {
        t->works[i] = (struct work){
            .load = l,
            .line = t->in ? board_consumer(l->board, l->first_line + i)
                          : board_producer(l->board, l->first_line + i),
            .number = i,
            .chans = calloc((size_t)chans_each, sizeof(rn_chan *)),
            .n_chans = chans_each,
            .status = &t->status,
        };
        if (!t->works[i].chans)
            return ctl_say("out of memory");
    }
    int status = t->works ? rn_main(0, team_run, t) : ctl_say("out of memory");
    return status < 0 ? ctl_say("cannot start: %s", rn_strerror(status)) : status;
}

int bench_produce(void *load)
{
    struct team t = { .load = load, .fn = produce };

    return team_main(&t, t.load->channels, "bench-producer");
}

int bench_consume(void *load)
{
    struct team t = { .load = load, .fn = consume, .in = true };

    return team_main(&t, 1, "bench-consumer");
}

int bench_ping(void *load)
{
    struct team t = { .load = load, .fn = ping, .pings = true };

    return team_main(&t, 2, "bench-ping");
}

int bench_echo(void *load)
{
    struct team t = { .load = load, .fn = echo, .in = true, .pings = true };

    return team_main(&t, 2, "bench-echo");
}

/* Idle processes wait asleep, each a thread: hundreds that looked every millisecond would leave little for the one whose
 * turn it is. */
static void await_connecting(void *load)
{
    const struct bench_load *l = load;

    board_await(l->board, BOARD_CONNECTING);
    /* Each node has threads, and a hundred processes that start theirs at once starve those who wait for an answer. */
    if (l->first_line >= CONNECTING_MAX)
        line_await(board_other(l->board, l->first_line - CONNECTING_MAX), LINE_BOUND);
}

static void await_ending(void *load)
{
    const struct bench_load *l = load;

    board_await(l->board, BOARD_ENDING);
}

static int wait_asleep(void (*until)(void *), struct bench_load *l)
{
    int rc = rn_block(until, l);

    return rc < 0 ? ctl_say("cannot start a thread: %s", rn_strerror(rc)) : CTL_OK;
}

static int connect_run(void *arg)
{
    struct bench_load *l = arg;
    struct board_line *line = board_other(l->board, l->first_line);
    rn_node **nodes = calloc((size_t)l->n, sizeof(rn_node *));

    if (!nodes)
        return ctl_say("out of memory");
    line_set_state(line, LINE_OPEN);
    if (wait_asleep(await_connecting, l) != CTL_OK)
        return CTL_FAILED;
    for (int i = 0; i < l->n; i++)
        if (load_open(l, &nodes[i], "idle") != CTL_OK)
            return CTL_FAILED;
    line_set_state(line, LINE_BOUND);
    if (wait_asleep(await_ending, l) != CTL_OK)
        return CTL_FAILED;
    return CTL_OK; /* without a word to the broker: a thousand orderly ends would only take time */
}

int bench_connect(void *load)
{
    prctl(PR_SET_NAME, "bench-idle");
    int status = rn_main(0, connect_run, load);
    return status < 0 ? ctl_say("cannot start: %s", rn_strerror(status)) : status;
}
