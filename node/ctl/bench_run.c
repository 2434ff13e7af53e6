/* bench_run.c - one run of `runnel bench`: a broker, the processes, the figures.   SPDX-License-Identifier: MIT */
#include "node/ctl/bench.h"
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATIENCE_S 120.0
#define BROKER_MS  10000 /* for a broker to say where it listens */
#define KEYS_WHY   4600  /* for a sentence with a path */
#define IDLE_TIMES 3     /* as long as is measured: long enough for signs of life */
#define NODES_EACH \
    50 /* idle connections of one process: each has threads and descriptors of its own */

/* ---- the broker ---- */

/* The one beside us, else the one that the shell would find. */
static void broker_program(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    path[n < 0 ? 0 : n] = '\0';
    slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) + sizeof "/runnel-broker" <= size) {
        strcpy(slash, "/runnel-broker");
        if (access(path, X_OK) == 0)
            return;
    }
    snprintf(path, size, "runnel-broker");
}

/* Reads "runnel-broker: listening on URL". */
static bool broker_url(int fd, char *url, size_t size)
{
    static const char before[] = "runnel-broker: listening on ";
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char line[600];
    size_t len = 0;

    while (len < sizeof line - 1 && poll(&p, 1, BROKER_MS) > 0) {
        ssize_t n = read(fd, line + len, sizeof line - 1 - len);

        if (n <= 0)
            return false;
        len += (size_t)n;
        line[len] = '\0';
        char *end = strchr(line, '\n');
        if (!end)
            continue;
        *end = '\0';
        if (strncmp(line, before, sizeof before - 1) != 0)
            return false;
        return snprintf(url, size, "%s", line + sizeof before - 1) < (int)size;
    }
    return false;
}

/* keyfile NULL: in plain text. */
static int broker_start(struct crew *crew, char *keyfile, char *url, size_t size)
{
    char path[4096];
    char *argv[] = { path,
                     (char[]){ "--listen" },
                     (char[]){ "tcp://127.0.0.1:0" },
                     keyfile ? (char[]){ "--keyfile" } : NULL,
                     keyfile,
                     NULL };
    int fds[2];
    bool ok;

    broker_program(path, sizeof path);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return ctl_say("cannot make a pipe: %s", rn_strerror(-errno));
    ok = crew_exec(crew, CREW_SERVER, argv, fds[1]) == 0;
    close(fds[1]);
    ok = ok && broker_url(fds[0], url, size);
    close(fds[0]);
    return ok ? CTL_OK : ctl_say("cannot start a broker: %s did not say where it listens", path);
}

/* ---- the broker's keys, in a directory that is there until the broker has read them ---- */

struct keys {
    char directory[4000], file[4096], public_text[RN__KEY_TEXT + 1];
};

static int keys_make(struct keys *k)
{
    const char *tmp = getenv("TMPDIR");
    char why[KEYS_WHY];

    snprintf(k->directory, sizeof k->directory, "%s/runnel-bench.XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(k->directory))
        return ctl_say("cannot make the directory %s: %s", k->directory, rn_strerror(-errno));
    snprintf(k->file, sizeof k->file, "%s/broker.key", k->directory);
    if (rn__keys_make(k->file, k->public_text, why, sizeof why) == 0)
        return CTL_OK;
    rmdir(k->directory);
    return ctl_say("%s", why);
}

static void keys_remove(const struct keys *k)
{
    char beside[sizeof k->file + 4];

    snprintf(beside, sizeof beside, "%s.pub", k->file);
    unlink(k->file);
    unlink(beside);
    rmdir(k->directory);
}

/* ---- who takes part ---- */

struct run {
    const struct bench_opts *opts;
    struct trial trial;
    struct bench_load load; /* what all have in common */
    char url[600];
    struct keys keys; /* of --curve */
    char why[512];
};

/* Each node of the run has a fresh key of its own, if any. */
static int own_broker_start(struct run *r)
{
    bool curve = r->opts->curve;
    int status = curve ? keys_make(&r->keys) : CTL_OK;

    if (status != CTL_OK)
        return status;
    status = broker_start(&r->trial.crew, curve ? r->keys.file : NULL, r->url, sizeof r->url);
    if (curve)
        keys_remove(&r->keys);
    r->load.ctl.broker = r->url;
    r->load.ctl.keyfile = "";
    r->load.ctl.broker_key = r->keys.public_text;
    return status;
}

static int run_failed(struct run *r, enum trial_result result)
{
    return result == TRIAL_SAID ? CTL_FAILED : ctl_say("%s", r->why);
}

static int member_start(struct run *r, enum crew_side side, int (*fn)(void *),
                        const struct bench_load *l, const struct board_line *line, int n)
{
    struct bench_load own = *l; /* the child has its own copy of it */
    int rc = crew_fork(&r->trial.crew, side, fn, &own);

    if (rc < 0)
        return ctl_say("cannot start a process: %s", rn_strerror(rc));
    enum trial_result result = trial_wait(&r->trial, line, n, LINE_OPEN, r->why, sizeof r->why);
    return result == TRIAL_DONE ? CTL_OK : run_failed(r, result);
}

static int streams_start(struct run *r, struct bench_load l, enum crew_side producers,
                         enum crew_side consumers, int n_producers, int n_consumers)
{
    struct board *b = r->trial.board;
    int status;

    l.producers = (uint64_t)n_producers;
    l.n = n_consumers * l.channels;
    status = member_start(r, consumers, bench_consume, &l, board_consumer(b, l.first_line), l.n);
    if (status != CTL_OK)
        return status;
    l.n = n_producers;
    return member_start(r, producers, bench_produce, &l, board_producer(b, l.first_line), l.n);
}

static int pings_start(struct run *r)
{
    struct bench_load l = r->load;
    struct board *b = r->trial.board;
    int status;

    l.n = 1;
    status = member_start(r, CREW_CONSUMER, bench_echo, &l, board_consumer(b, 0), 1);
    if (status == CTL_OK)
        status = member_start(r, CREW_PRODUCER, bench_ping, &l, board_producer(b, 0), 1);
    if (status != CTL_OK || !r->opts->load)
        return status;
    l.first_line = 1;
    l.first_stream = 1;
    return streams_start(r, l, CREW_OTHER, CREW_OTHER, r->opts->producers, r->opts->consumers);
}

static int idle_start(struct run *r)
{
    struct bench_load l = r->load;
    int left = r->opts->connections, status = CTL_OK;

    for (int i = 0; left > 0 && status == CTL_OK; i++) {
        l.first_line = i;
        l.n = left < NODES_EACH ? left : NODES_EACH;
        left -= l.n;
        status = member_start(r, CREW_OTHER, bench_connect, &l, board_other(r->trial.board, i), 1);
    }
    return status;
}

static int members_start(struct run *r)
{
    const struct bench_opts *o = r->opts;
    struct bench_load l = r->load;
    int status;

    l.stamped = true;
    l.slow = o->kind == BENCH_SLOW;
    l.own_nodes = o->kind == BENCH_FANIN;
    if (bench_pings(o))
        status = pings_start(r);
    else
        status = streams_start(r, l, CREW_PRODUCER, CREW_CONSUMER, o->producers, o->consumers);
    return status == CTL_OK ? idle_start(r) : status;
}

/* ---- one run ---- */

static struct board *board_for(const struct bench_opts *o)
{
    int others = (o->connections + NODES_EACH - 1) / NODES_EACH;
    int load = o->load ? 1 : 0;

    if (bench_pings(o))
        return board_new(1 + load * o->producers, 1 + load * o->consumers, others,
                         1 + (uint64_t)(load * o->producers));
    return board_new(o->producers, o->consumers * o->channels, others,
                     (uint64_t)o->producers * (uint64_t)o->channels);
}

static void progress(void *arg, const char *text)
{
    fprintf(stderr, "\r\033[Krun %d: %s", *(const int *)arg, text);
}

static int run_members(struct run *r, int number, struct figures *figures)
{
    enum trial_result result;
    int status = members_start(r);

    if (status != CTL_OK)
        return status;
    result = trial_run(&r->trial, figures, number, r->why, sizeof r->why);
    if (r->trial.progress)
        fprintf(stderr, "\r\033[K");
    return result == TRIAL_DONE ? CTL_OK : run_failed(r, result);
}

int bench_run(const struct bench_opts *o, int number, struct figures *figures, int64_t *capacity)
{
    int shown = number + 1, status = CTL_OK;
    struct run r = {
        .opts = o,
        .trial = {
            .board = board_for(o),
            .server_is_ours = o->own_broker,
            .seconds = o->seconds,
            .idle_s = o->connections > 0 ? IDLE_TIMES * o->seconds : 0,
            .size = o->size,
            .channels = o->channels,
            .connections = o->connections,
            .patience_s = PATIENCE_S,
            .pings = bench_pings(o),
            .load = o->load,
            .progress = isatty(STDERR_FILENO) ? progress : NULL,
            .progress_arg = &shown,
        },
        .load = { .opts = o, .ctl = *o->ctl, .channels = bench_pings(o) ? 1 : o->channels, .producers = 1 },
    };

    if (!r.trial.board)
        return ctl_say("out of memory");
    r.load.board = r.trial.board;
    snprintf(r.load.prefix, sizeof r.load.prefix, "bench-%d.%d", (int)getpid(), number);
    if (o->own_broker)
        status = own_broker_start(&r);
    if (status == CTL_OK)
        status = run_members(&r, number, figures);
    *capacity = atomic_load(&r.trial.board->capacity);
    crew_end(&r.trial.crew);
    board_free(r.trial.board);
    return status;
}
