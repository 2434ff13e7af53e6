/* peers.c - the work of `runnel bench` with other systems.   SPDX-License-Identifier: MIT
 *
 *   peers SYSTEM throughput|latency [--size B] [--producers N] [--consumers N] [--channels N] [--seconds S] [--runs N] [--rate N]
 *     [--curve]
 *
 * Processes, stages, checks and figures are those of node/ctl/measure; a producer or consumer is a thread here.  Prints one
 * JSON object.  What a system loses is told, and no failure. */
#include "bench/peers/peer.h"
#include "node/ctl/measure/trial.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define SILENCES 15 /* so often in a row, and what a consumer has not got it will not get */

static const struct peer *const peers[] = { &peer_nats, &peer_redis, &peer_redis_stream, &peer_zmq,
                                            &peer_zmq_proxy };

static struct {
    const struct peer *peer;
    struct peer_url url;
    struct board *board;
    bool pings, curve;
    size_t size;
    int producers, consumers, channels, runs, rate;
    double seconds;
} bench = { .size = 128,
            .producers = 1,
            .consumers = 1,
            .channels = 1,
            .runs = 5,
            .rate = 1000,
            .seconds = 3 };

/* ---- ports ---- */

static int loopback(int port, bool bind_it)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if ((bind_it ? bind(fd, (struct sockaddr *)&a, sizeof a)
                 : connect(fd, (struct sockaddr *)&a, sizeof a)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int peer_free_port(void)
{
    struct sockaddr_in a = { 0 };
    socklen_t len = sizeof a;
    int fd = loopback(0, true);

    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

bool peer_listens(int port)
{
    for (int tries = 0; tries < 1000; tries++) {
        int fd = loopback(port, false);

        if (fd >= 0) {
            close(fd);
            return true;
        }
        poll(NULL, 0, 10);
    }
    return false;
}

/* ---- workers ---- */

static void fail(const char *what)
{
    if (board_may_say(bench.board))
        fprintf(stderr, "peers: %s cannot %s\n", bench.peer->name, what);
    _exit(1);
}

static void await(enum board_stage stage)
{
    while (board_stage(bench.board) < stage)
        poll(NULL, 0, 1);
}

static uint8_t *element_new(void)
{
    uint8_t *data = calloc(1, bench.size);

    if (data == NULL)
        fail("find memory");
    return data;
}

static void *produce(void *arg)
{
    int number = (int)(intptr_t)arg;
    struct board_line *line = board_producer(bench.board, number);
    struct peer_end *end = bench.peer->sender(&bench.url, 0, bench.consumers, false);
    uint8_t *data = element_new();

    if (end == NULL)
        fail("connect a producer");
    atomic_store(&line->state, LINE_BOUND);
    await(BOARD_WARMING);
    while (board_stage(bench.board) < BOARD_ENDING) {
        struct element_head head = element_next((uint64_t)number, bench.board->sent[number],
                                                (int64_t)bench.size);

        memcpy(data, &head, sizeof head);
        if (bench.peer->send(end, data, bench.size) < 0)
            fail("send");
        bench.board->sent[number]++;
        board_count(line);
    }
    if (bench.peer->flush(end) < 0)
        fail("send the last elements");
    return NULL;
}

static bool all_received(void)
{
    uint64_t sent = 0;

    for (uint64_t i = 0; i < bench.board->streams; i++)
        sent += bench.board->sent[i];
    return board_received(bench.board) >= sent;
}

/* Until the producers have ended and all has come, or nothing comes any more. */
static void take_all(struct peer_end *end,
                     int (*receive)(struct peer_end *, void *, size_t, size_t), struct tally *tally,
                     struct board_line *line)
{
    struct element_head head;
    int silences = 0;

    while (board_stage(bench.board) < BOARD_ENDING ||
           (silences < SILENCES && !(silences > 0 && all_received()))) {
        int rc = receive(end, &head, sizeof head, bench.size);

        if (rc < 0)
            fail("receive");
        silences = rc == PEER_SILENCE ? silences + 1 : 0;
        if (rc == PEER_SILENCE)
            continue;
        element_taken(bench.board, tally, &head);
        board_count(line);
    }
}

static void *consume(void *arg)
{
    int number = (int)(intptr_t)arg;
    struct board_line *line = board_consumer(bench.board, number);
    struct peer_end *end = bench.peer->receiver(&bench.url, 0, number);
    struct tally tally;

    if (end == NULL || tally_init(&tally, bench.board->log, 0, bench.board->streams) < 0)
        fail("connect a consumer");
    atomic_store(&line->state, LINE_BOUND);
    take_all(end, bench.peer->receive, &tally, line);
    tally_fini(&tally);
    return NULL;
}

static int receive_one(struct peer_end *end, struct element_head *head)
{
    int rc;

    do
        rc = bench.peer->receive(end, head, sizeof *head, bench.size);
    while (rc == PEER_SILENCE && board_stage(bench.board) < BOARD_ENDING);
    if (rc < 0)
        fail("receive");
    return rc;
}

static void *echo(void *arg)
{
    struct board_line *line = board_consumer(bench.board, 0);
    struct peer_end *in = bench.peer->receiver(&bench.url, 0, 0);
    uint8_t *data = element_new();
    struct element_head head;

    atomic_store(&line->state, LINE_OPEN);
    await(BOARD_BINDING_IN);
    struct peer_end *out = bench.peer->sender(&bench.url, 1, 1, true);
    if (in == NULL || out == NULL)
        fail("connect");
    atomic_store(&line->state, LINE_BOUND);
    while (receive_one(in, &head) == PEER_ELEMENT) {
        memcpy(data, &head, sizeof head);
        if (bench.peer->send(out, data, bench.size) < 0)
            fail("send");
        board_count(line);
    }
    return arg;
}

static void *ping(void *arg)
{
    struct board_line *line = board_producer(bench.board, 0);
    struct peer_end *in = bench.peer->receiver(&bench.url, 1, 0);
    struct peer_end *out = bench.peer->sender(&bench.url, 0, 1, true);
    int64_t interval_ns = 1000000000 / bench.rate, due_ns;
    uint64_t *number = &bench.board->sent[0];
    uint8_t *data = element_new();
    struct element_head head;
    struct tally tally;

    if (in == NULL || out == NULL || tally_init(&tally, bench.board->log, 0, 1) < 0)
        fail("connect");
    atomic_store(&line->state, LINE_BOUND);
    await(BOARD_WARMING);
    due_ns = measure_now_ns();
    while (board_stage(bench.board) < BOARD_ENDING) {
        int64_t begin_ns = measure_now_ns();

        head = (struct element_head){ .where = *number };
        memcpy(data, &head, sizeof head);
        if (bench.peer->send(out, data, bench.size) < 0)
            fail("send");
        if (receive_one(in, &head) != PEER_ELEMENT)
            break;
        if (board_stage(bench.board) == BOARD_COUNTING)
            histogram_record_corrected(bench.board->histogram, measure_now_ns() - begin_ns,
                                       interval_ns);
        tally_take(&tally, 0, head.where);
        ++*number;
        board_count(line);
        int64_t now_ns = measure_now_ns();
        due_ns = due_ns + interval_ns > now_ns ? due_ns + interval_ns : now_ns;
        struct timespec until = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    tally_fini(&tally);
    return arg;
}

/* ---- many subjects in turn, each a stream; one producer, one consumer ---- */

static void *produce_many(void *arg)
{
    struct board *b = bench.board;
    struct board_line *line = board_producer(b, 0);
    struct peer_end *end = bench.peer->many_sender(&bench.url, bench.channels);
    uint8_t *data = element_new();

    if (end == NULL)
        fail("connect a producer");
    atomic_store(&line->state, LINE_OPEN);
    await(BOARD_BINDING_OUT);
    if (bench.peer->many_await != NULL && !bench.peer->many_await(end, bench.channels))
        fail("learn of all subscriptions");
    atomic_store(&line->state, LINE_BOUND);
    await(BOARD_WARMING);
    for (int k = 0; board_stage(b) < BOARD_ENDING; k = k + 1 < bench.channels ? k + 1 : 0) {
        struct element_head head = element_next((uint64_t)k, b->sent[k], (int64_t)bench.size);

        memcpy(data, &head, sizeof head);
        if (bench.peer->many_send(end, k, data, bench.size) < 0)
            fail("send");
        b->sent[k]++;
        board_count(line);
    }
    if (bench.peer->flush(end) < 0)
        fail("send the last elements");
    return arg;
}

static void *consume_many(void *arg)
{
    struct board_line *line = board_consumer(bench.board, 0);
    struct peer_end *end = bench.peer->many_receiver(&bench.url);
    struct tally tally;

    if (end == NULL || tally_init(&tally, bench.board->log, 0, bench.board->streams) < 0)
        fail("connect a consumer");
    atomic_store(&line->state, LINE_OPEN);
    await(BOARD_BINDING_IN);
    if (!bench.peer->many_subscribe(end, bench.channels))
        fail("subscribe");
    atomic_store(&line->state, LINE_BOUND);
    take_all(end, bench.peer->many_receive, &tally, line);
    tally_fini(&tally);
    return arg;
}

static int threads(void *(*fn)(void *), int n)
{
    pthread_t thread[64];

    for (int i = 0; i < n; i++)
        if (pthread_create(&thread[i], NULL, fn, (void *)(intptr_t)i) != 0)
            fail("start a thread");
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static int producers_main(void *arg)
{
    (void)arg;
    if (bench.channels > 1)
        return threads(produce_many, 1);
    return bench.pings ? threads(ping, 1) : threads(produce, bench.producers);
}

static int consumers_main(void *arg)
{
    (void)arg;
    if (bench.channels > 1)
        return threads(consume_many, 1);
    return bench.pings ? threads(echo, 1) : threads(consume, bench.consumers);
}

/* ---- runs ---- */

static bool run_members(struct trial *t, const char *directory, struct figures *figures, int run)
{
    enum line_state there = bench.pings || bench.channels > 1 ? LINE_OPEN : LINE_BOUND;
    char why[256] = "it could not be started";
    enum trial_result r = TRIAL_FAILED;

    if (bench.peer->serve(&t->crew, directory, &bench.url) &&
        crew_fork(&t->crew, CREW_CONSUMER, consumers_main, NULL) == 0)
        r = trial_wait(t, board_consumer(t->board, 0), bench.consumers, there, why, sizeof why);
    if (r == TRIAL_DONE && crew_fork(&t->crew, CREW_PRODUCER, producers_main, NULL) == 0)
        r = trial_run(t, figures, run, why, sizeof why);
    if (r == TRIAL_FAILED)
        fprintf(stderr, "peers: %s: %s\n", bench.peer->name, why);
    return r == TRIAL_DONE;
}

static bool run_one(struct figures *figures, int run)
{
    char directory[] = "/tmp/peers.XXXXXX", command[64];
    struct trial t = {
        .board = board_new(bench.producers, bench.consumers, 0,
                           (uint64_t)bench.producers * (uint64_t)bench.channels),
        .server_is_ours = true,
        .seconds = bench.seconds,
        .size = (int64_t)bench.size,
        .channels = bench.channels,
        .patience_s = 60,
        .pings = bench.pings,
    };
    bool ok;

    if (t.board == NULL || mkdtemp(directory) == NULL)
        return false;
    bench.board = t.board;
    ok = run_members(&t, directory, figures, run);
    crew_end(&t.crew);
    board_free(t.board);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && ok;
}

static void wrong_use(void)
{
    fprintf(
        stderr,
        "usage: peers nats|redis|redis-stream|zeromq|zeromq-proxy throughput|latency [--size B] [--producers N] "
        "[--consumers N] [--channels N (nats, zeromq)] [--seconds S] [--runs N] [--rate N] [--curve (zeromq)]\n");
    exit(2);
}

static int number(const char *text, int min, int max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || n < min || n > max)
        wrong_use();
    return (int)n;
}

static void options(int argc, char **argv)
{
    static const struct option names[] = {
        { "size", 1, NULL, 'b' },    { "producers", 1, NULL, 'p' }, { "consumers", 1, NULL, 'c' },
        { "seconds", 1, NULL, 's' }, { "runs", 1, NULL, 'r' },      { "rate", 1, NULL, 'n' },
        { "curve", 0, NULL, 'e' },   { "channels", 1, NULL, 'k' },  { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'b':
            bench.size = (size_t)number(optarg, ELEMENT_MIN, 64 << 20);
            break;
        case 'p':
            bench.producers = number(optarg, 1, 64);
            break;
        case 'c':
            bench.consumers = number(optarg, 1, PLACES_MAX);
            break;
        case 'k':
            bench.channels = number(optarg, 1, 1000000);
            break;
        case 's':
            bench.seconds = atof(optarg);
            break;
        case 'r':
            bench.runs = number(optarg, 1, RUNS_MAX);
            break;
        case 'n':
            bench.rate = number(optarg, 1, 1000000);
            break;
        case 'e':
            bench.curve = true;
            zmq_curve_keypair(bench.url.public_text, bench.url.secret_text);
            break;
        default:
            wrong_use();
        }
    }
    if (argc - optind != 2 || !(bench.seconds >= 0.05))
        wrong_use();
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
        if (strcmp(argv[optind], peers[i]->name) == 0)
            bench.peer = peers[i];
    bench.pings = strcmp(argv[optind + 1], "latency") == 0;
    if (bench.peer == NULL || (!bench.pings && strcmp(argv[optind + 1], "throughput") != 0))
        wrong_use();
    if (bench.curve && !bench.peer->encrypts)
        wrong_use();
    if (bench.channels > 1 && (bench.pings || bench.producers > 1 || bench.consumers > 1 ||
                               bench.peer->many_send == NULL))
        wrong_use();
    if (bench.pings)
        bench.producers = bench.consumers = 1;
}

int main(int argc, char **argv)
{
    static struct figures figures;

    options(argc, argv);
    for (int run = 0; run < bench.runs; run++)
        if (!run_one(&figures, run))
            return 1;
    struct figures_title title = {
        .system = bench.peer->name,
        .kind = bench.pings ? "latency" : "throughput",
        .size = (int64_t)bench.size,
        .capacity = -1,
        .producers = bench.producers,
        .consumers = bench.consumers,
        .channels = bench.channels,
        .seconds = bench.seconds,
        .curve = bench.curve,
    };
    figures_print_json(&figures, &title);
    return 0;
}
