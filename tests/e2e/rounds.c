/* rounds.c - real processes under load that are killed, stopped and started anew, and what became of every element.
 *   SPDX-License-Identifier: MIT
 *
 *   rounds [--kind KIND] [--rounds N] [--seconds S] [--floor N] [--seed S] [--bin DIRECTORY]
 *          [--link PROGRAM --netns PID --listen URL]
 *
 * With --link the broker runs in the network namespace of that process, and the faults are cuts of the link to it.
 * A round is one fault in a running stream (pump.c sends and receives), after which the stream must go on.  Up to five
 * rounds are an episode: a broker and a channel of their own, at whose end all senders end in order, the channel is
 * drained and closed, runnel audit must balance, and the ledgers of all processes are compared (tally.c).
 * The seed decides who is hit and when, the machine decides the rest. */
#include "tests/e2e/process.h"
#include "tests/e2e/tally.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EPISODE_ROUNDS 5
#define GOES_ON_S      30.0 /* a stream that stands still for so long hangs */
#define ENDS_S         60.0 /* so long an orderly end may take */
#define MOST_SHARES    8    /* of its time a kind may take to reach the floor */
#define MS             INT64_C(1000000)

struct episode;

struct kind {
    const char *name;
    unsigned senders, receivers;
    unsigned lease_ms;
    void (*round)(struct episode *);
    enum tally_rule rule;
    bool sessions_live; /* none may end */
    bool of_link;       /* needs --link; the others are without */
};

struct episode {
    const struct kind *kind;
    uint64_t seed, chance;
    char dir[PATH_MAX], url[128];
    long capacity;
    pid_t broker;
    struct party *parties;
    size_t n;
    unsigned rounds;
    uint64_t late,
        fences;        /* takes under a lease that was over, and how many such leases there were */
    uint64_t accepted; /* by the home, in all */
};

static struct options {
    const char *kind, *bin;
    const char *link, *netns, *listen;
    uint64_t seed;
    unsigned long rounds, floor;
    double seconds;
} options = { .rounds = 200, .listen = "tcp://127.0.0.1:0" };

static char pump_path[PATH_MAX];
static struct episode *now; /* for fail() */

/* ---- what went wrong --------------------------------------------------------------------------------------- */

static void run_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run_shell(const char *format, ...)
{
    char command[3 * PATH_MAX];
    va_list ap;

    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    if (system(command) != 0)
        fprintf(stderr, "(failed: %s)\n", command);
}

/* Where everybody stands: the ledgers, and the goroutines as each process prints them on SIGQUIT. */
static void show(struct episode *e)
{
    const struct timespec while_they_print = { .tv_nsec = 500 * MS };

    for (size_t i = 0; i < e->n; i++) {
        struct party *p = &e->parties[i];

        fprintf(stderr, "%zu %s%s: %" PRIu64 " moved, %" PRIu64 " entries, handle %u\n", i,
                p->sender ? "sender" : "receiver",
                p->killed    ? ", killed"
                : p->running ? ""
                             : ", ended",
                p->ledger->moved, p->ledger->entries, p->ledger->handle);
        if (p->running) {
            kill(p->pid, SIGCONT);
            kill(p->pid, SIGQUIT);
        }
    }
    nanosleep(&while_they_print, NULL);
    fflush(NULL);
    run_shell("RUNNEL_URL=%s timeout 10 %s/runnel audit >&2; cd %s && tail -n 60 *.err >&2", e->url,
              options.bin, e->dir);
}

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "rounds: FAILED: %s, round %u: ", now->kind->name, now->rounds);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    show(now);
    fprintf(stderr, "replay: tests/e2e/%s.sh --kind %s --seed %" PRIu64 " --rounds %d\n",
            options.link != NULL ? "netns" : "rounds", now->kind->name, now->seed, EPISODE_ROUNDS);
    run_shell("rm -rf %s", now->dir);
    exit(EXIT_FAILURE);
}

/* ---- chance and time ------------------------------------------------------------------------------------------ */

static uint64_t chance(struct episode *e, uint64_t below)
{
    uint64_t z = e->chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z >> 16) % below;
}

static double seconds_now(void)
{
    return (double)ledger_now_ns() / 1e9;
}

/* The fault itself takes time; nothing is waited for. */
static void last_ms(int64_t ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MS };

    nanosleep(&t, NULL);
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

static void broker_start(struct episode *e)
{
    char program[PATH_MAX], err[PATH_MAX + 16], line[256];
    const char *argv[] = { "/usr/bin/nsenter", "-t",   options.netns, "-n", program,
                           "--listen",         e->url, NULL };
    int out[2];
    FILE *f;

    snprintf(program, sizeof program, "%s/runnel-broker", options.bin);
    snprintf(err, sizeof err, "%s/broker.err", e->dir);
    if (pipe(out) < 0)
        fail("pipe: %s", strerror(errno));
    e->broker = process_start(options.netns != NULL ? argv : argv + 4, out[1], err);
    close(out[1]);
    f = fdopen(out[0], "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL ||
        sscanf(line, "runnel-broker: listening on %127s", e->url) != 1)
        fail("the broker did not start");
    fclose(f); /* it prints nothing more */
    setenv("RUNNEL_URL", e->url, 1);
}

static void party_start(struct episode *e, bool sender)
{
    char ledger[PATH_MAX + 16], err[PATH_MAX + 16], number[16], capacity[24];
    struct party *p;
    const char *manners[] = { NULL, sender ? "confirm" : "slow" };
    const char *argv[] = {
        pump_path, sender ? "send" : "recv", ledger, number, "stream", capacity, NULL, NULL
    };

    e->parties = realloc(e->parties, (e->n + 1) * sizeof *e->parties);
    if (e->parties == NULL)
        fail("no memory");
    argv[6] = manners[chance(e, 3) == 0];
    snprintf(ledger, sizeof ledger, "%s/%zu", e->dir, e->n);
    snprintf(err, sizeof err, "%s/%zu.err", e->dir, e->n);
    snprintf(number, sizeof number, "%zu", e->n);
    snprintf(capacity, sizeof capacity, "%ld", e->capacity);
    p = &e->parties[e->n];
    *p = (struct party){ .sender = sender, .ledger = ledger_open(ledger) };
    if (p->ledger == NULL)
        fail("%s: %s", ledger, strerror(errno));
    e->n++;
    p->pid = process_start(argv, -1, err);
    if (p->pid < 0)
        fail("cannot start %s", pump_path);
    p->running = true;
}

static struct party *pick(struct episode *e, bool sender)
{
    size_t some = 0;

    for (size_t i = 0; i < e->n; i++)
        some += e->parties[i].running && e->parties[i].sender == sender;
    some = chance(e, some);
    for (size_t i = 0;; i++)
        if (e->parties[i].running && e->parties[i].sender == sender && some-- == 0)
            return &e->parties[i];
}

/* Waits until the party has moved so many elements more; none of the others may die meanwhile. */
static void goes_on(struct episode *e, struct party *p, uint64_t elements)
{
    uint64_t until = p->ledger->moved + elements;
    double begin = seconds_now(), last = begin;
    uint64_t seen = p->ledger->moved;

    while (p->ledger->moved < until) {
        if (p->ledger->moved != seen)
            last = seconds_now();
        seen = p->ledger->moved;
        if (!process_alive(p->pid))
            fail("process %td ended by itself", p - e->parties);
        if (seconds_now() - last > GOES_ON_S)
            fail("process %td stands still", p - e->parties);
        if (seconds_now() - begin > 1.0 && p->ledger->moved >= until - elements + 1)
            return; /* it moves; how far is chance anyway */
        last_ms(1);
    }
}

static void all_go_on(struct episode *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->parties[i].running)
            goes_on(e, &e->parties[i], 1);
}

/* Somewhere in the stream. */
static void load(struct episode *e, struct party *p)
{
    goes_on(e, p, 1 + chance(e, e->capacity == 1 ? 30 : 3000));
}

/* ---- the faults ------------------------------------------------------------------------------------------------------ */

static void kill_one(struct episode *e, bool sender)
{
    struct party *p = pick(e, sender);

    load(e, p);
    process_kill(p->pid);
    p->running = false;
    p->killed = true;
    party_start(e, sender);
    all_go_on(e);
}

static void kill_receiver(struct episode *e)
{
    kill_one(e, /* sender= */ false);
}

static void kill_sender(struct episode *e)
{
    kill_one(e, /* sender= */ true);
}

static void pause_node(struct episode *e)
{
    struct party *p = pick(e, chance(e, 2) == 0);

    load(e, p);
    process_stop(p->pid);
    last_ms(10 + (int64_t)chance(e, 300));
    process_continue(p->pid);
    all_go_on(e);
}

/* Where a party stood when something was stopped that ends its lease. */
struct fence {
    struct party *party;
    uint64_t from;
    uint32_t handle;
};

static struct fence fence(struct party *p)
{
    return (struct fence){ p, p->ledger->entries, p->ledger->handle };
}

/* Nothing may be taken after after_ns under the handle that it had.  But one element may be taken in time and noted
 * later. */
static void fence_check(const struct episode *e, const struct fence *f, int64_t after_ns)
{
    uint64_t late;

    if (f->party->sender)
        return;
    late = tally_late(f->party->ledger, f->from, f->handle, after_ns);
    if (late > 1)
        fail("process %td took %" PRIu64 " elements under a lease that was over",
             f->party - e->parties, late);
}

static void freeze_node(struct episode *e)
{
    struct party *p = pick(e, chance(e, 2) == 0);
    struct fence f;
    int64_t after_ns;

    load(e, p);
    process_stop(p->pid);
    f = fence(p);
    last_ms(e->kind->lease_ms + 50 + (int64_t)chance(e, 400));
    after_ns = ledger_now_ns();
    process_continue(p->pid);
    all_go_on(e);
    fence_check(e, &f, after_ns);
}

static void pause_broker(struct episode *e)
{
    load(e, pick(e, /* sender= */ false));
    process_stop(e->broker);
    last_ms(10 + (int64_t)chance(e, 300));
    process_continue(e->broker);
    all_go_on(e);
}

static void freeze_broker(struct episode *e)
{
    struct fence *fences = calloc(e->n, sizeof *fences);
    int64_t after_ns;

    if (fences == NULL)
        fail("no memory");
    load(e, pick(e, /* sender= */ false));
    process_stop(e->broker);
    after_ns = ledger_now_ns() + e->kind->lease_ms * MS;
    for (size_t i = 0; i < e->n; i++)
        fences[i] = fence(&e->parties[i]);
    last_ms(e->kind->lease_ms + 50 + (int64_t)chance(e, 400));
    process_continue(e->broker);
    all_go_on(e);
    for (size_t i = 0; i < e->n; i++)
        fence_check(e, &fences[i], after_ns);
    free(fences);
}

/* Every handle fails, by the error that it must fail with. */
static void all_lose(struct episode *e, const struct fence *before, uint32_t homes_lost)
{
    double begin = seconds_now();
    uint32_t lost = 0;

    for (size_t i = 0; i < e->n; i++) {
        struct party *p = before[i].party;

        while (p->ledger->handle == before[i].handle) {
            if (seconds_now() - begin > GOES_ON_S)
                fail("process %zu goes on as if nothing had been", i);
            last_ms(1);
        }
        lost += p->ledger->homes_lost;
    }
    if (lost != homes_lost)
        fail("%u handles failed with RN_EHOMELOST so far, not %u", lost, homes_lost);
}

/* So long without a broker, then a new one at the same address. */
static void broker_dies(struct episode *e, int64_t absent_ms, bool in_time)
{
    struct fence *before = calloc(e->n, sizeof *before);
    uint32_t homes_lost = 0;

    if (before == NULL)
        fail("no memory");
    load(e, pick(e, /* sender= */ false));
    process_kill(e->broker);
    for (size_t i = 0; i < e->n; i++) {
        before[i] = fence(&e->parties[i]);
        homes_lost += e->parties[i].ledger->homes_lost + in_time;
    }
    last_ms(absent_ms);
    broker_start(e);
    all_lose(e, before, homes_lost);
    all_go_on(e);
    free(before);
}

static void kill_broker(struct episode *e)
{
    broker_dies(e, (int64_t)chance(e, 200), /* in_time= */ true);
}

static void lose_broker(struct episode *e)
{
    broker_dies(e, e->kind->lease_ms + 50 + (int64_t)chance(e, 200), /* in_time= */ false);
}

/* The link loses all packets, or those of one direction. */
static void link_is_down(struct episode *e, int64_t ms)
{
    unsigned way = (unsigned)chance(e, 3);

    load(e, pick(e, /* sender= */ false));
    run_shell("%s cut %u", options.link, way);
    last_ms(ms);
    run_shell("%s heal %u", options.link, way);
    all_go_on(e);
}

static void cut_link(struct episode *e)
{
    link_is_down(e, 10 + (int64_t)chance(e, 500));
}

static void lose_link(struct episode *e)
{
    struct fence *fences = calloc(e->n, sizeof *fences);
    int64_t after_ns;

    if (fences == NULL)
        fail("no memory");
    load(e, pick(e, /* sender= */ false));
    for (size_t i = 0; i < e->n; i++)
        fences[i] = fence(&e->parties[i]);
    link_is_down(e, e->kind->lease_ms + 100 + (int64_t)chance(e, 400));
    after_ns = ledger_now_ns();
    for (size_t i = 0; i < e->n; i++)
        fence_check(e, &fences[i], after_ns);
    free(fences);
}

static const struct kind kinds[] = {
    { "kill-receiver", 2, 3, 500, kill_receiver, TALLY_HOME_LIVES, false, false },
    { "kill-sender", 3, 2, 500, kill_sender, TALLY_HOME_LIVES, false, false },
    { "pause-node", 2, 2, 10000, pause_node, TALLY_HOME_LIVES, true, false },
    { "freeze-node", 2, 3, 400, freeze_node, TALLY_HOME_LIVES, false, false },
    { "pause-broker", 2, 1, 10000, pause_broker, TALLY_HOME_LIVES, true, false },
    { "freeze-broker", 2, 2, 400, freeze_broker, TALLY_HOME_LIVES, false, false },
    { "kill-broker", 2, 1, 20000, kill_broker, TALLY_HOME_DIES, false, false },
    { "lose-broker", 2, 1, 400, lose_broker, TALLY_HOME_DIES, false, false },
    { "cut-link", 2, 2, 10000, cut_link, TALLY_HOME_LIVES, true, true },
    { "lose-link", 2, 2, 600, lose_link, TALLY_HOME_LIVES, false, true },
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- an episode ------------------------------------------------------------------------------------------------------- */

static void episode_begin(struct episode *e)
{
    static const long capacities[] = { 1, 7, 1000, 16384 };
    char lease[24];

    now = e;
    e->chance = e->seed;
    e->capacity = capacities[e->seed % (sizeof capacities / sizeof *capacities)];
    snprintf(e->dir, sizeof e->dir, "%s/runnel-rounds.XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(e->dir) == NULL)
        fail("%s: %s", e->dir, strerror(errno));
    snprintf(lease, sizeof lease, "%ums", e->kind->lease_ms);
    setenv("RUNNEL_LEASE", lease, 1);
    snprintf(e->url, sizeof e->url, "%s", options.listen);
    broker_start(e);
    for (unsigned i = 0; i < e->kind->receivers; i++)
        party_start(e, /* sender= */ false);
    for (unsigned i = 0; i < e->kind->senders; i++)
        party_start(e, /* sender= */ true);
    all_go_on(e);
}

static void all_end(struct episode *e, bool sender)
{
    for (size_t i = 0; i < e->n && sender; i++)
        if (e->parties[i].running && e->parties[i].sender)
            kill(e->parties[i].pid, SIGTERM);
    for (size_t i = 0; i < e->n; i++) {
        struct party *p = &e->parties[i];
        int status;

        if (!p->running || p->sender != sender)
            continue;
        status = process_wait(p->pid, ENDS_S);
        if (status < 0)
            fail("process %zu does not end", i);
        p->running = false;
        if (status != 0)
            fail("process %zu ended with status %d", i, status);
    }
}

/* Waits until all that the home accepted was taken. */
static void drained(struct episode *e)
{
    double begin = seconds_now();
    char command[PATH_MAX + 64], out[4096], state[32];
    uint64_t capacity, senders, receivers, buffered, accepted = 1, taken = 0;

    snprintf(command, sizeof command, "%s/runnel ls --wait 30 | grep '^stream '", options.bin);
    while (accepted != taken) {
        if (seconds_now() - begin > ENDS_S)
            fail("the channel is not drained: %s", out);
        if (process_output(command, out, sizeof out) != 0 ||
            sscanf(out,
                   "stream %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %31s",
                   &capacity, &senders, &receivers, &buffered, &accepted, &taken, state) != 7)
            fail("runnel ls says '%s'", out);
    }
    e->accepted = accepted;
}

static void must_run(const char *format) __attribute__((format(printf, 1, 0)));
static void must_run(const char *format)
{
    char command[PATH_MAX + 64], out[4096];

    snprintf(command, sizeof command, format, options.bin);
    if (process_output(command, out, sizeof out) != 0)
        fail("%s: %s", command, out);
}

static void judge(struct episode *e, struct tally *t)
{
    int rc = tally_count(t, e->parties, e->n, e->kind->rule);

    if (rc < 0)
        fail("cannot count: %s", strerror(-rc));
    if (t->missing > t->kills)
        fail("%" PRIu64 " elements were lost", t->missing);
    if (t->doubled > 0)
        fail("%" PRIu64 " elements came twice while sessions lived", t->doubled);
    if (t->ghosts > 0)
        fail("%" PRIu64 " elements came that nobody sent", t->ghosts);
    if (t->disordered > 0)
        fail("%" PRIu64 " elements came out of order", t->disordered);
    if (t->uneven > t->over + t->kills)
        fail("%" PRIu64 " elements came again that their receivers must have reported", t->uneven);
    if (e->kind->rule == TALLY_HOME_LIVES &&
        (e->accepted < t->distinct + t->missing || e->accepted > t->distinct + t->kills))
        fail("the home accepted %" PRIu64 " elements, %" PRIu64 " were taken, %" PRIu64
             " are missing",
             e->accepted, t->distinct, t->missing);
    if (e->kind->sessions_live && t->over > 0)
        fail("%" PRIu64 " sessions ended over a pause shorter than their lease", t->over);
}

static void episode_end(struct episode *e, struct tally *t)
{
    int status;

    all_end(e, /* sender= */ true);
    drained(e);
    must_run("%s/runnel send stream --close --wait 30 </dev/null 2>&1");
    all_end(e, /* sender= */ false);
    must_run("%s/runnel audit --wait 30 2>&1");
    judge(e, t);
    kill(e->broker, SIGTERM);
    status = process_wait(e->broker, ENDS_S);
    if (status != 0)
        fail("the broker ended with status %d", status);
    for (size_t i = 0; i < e->n; i++)
        ledger_close(e->parties[i].ledger);
    free(e->parties);
    run_shell("rm -rf %s", e->dir);
}

/* Gives how many rounds there were. */
static unsigned episode(const struct kind *kind, uint64_t seed, unsigned rounds, double until,
                        struct tally *sum)
{
    struct episode e = { .kind = kind, .seed = seed };
    struct tally t;

    episode_begin(&e);
    do {
        e.rounds++;
        kind->round(&e);
    } while (e.rounds < rounds && seconds_now() < until);
    episode_end(&e, &t);
    tally_add(sum, &t);
    return e.rounds;
}

/* ---- all of it -------------------------------------------------------------------------------------------------------- */

static void tell(const struct kind *kind, unsigned rounds, const struct tally *t, double seconds)
{
    printf("rounds: %-13s %4u rounds, %9" PRIu64 " sent, %9" PRIu64 " taken, 0 lost, 0 doubled; ",
           kind->name, rounds, t->sent, t->taken);
    if (kind->rule == TALLY_HOME_DIES)
        printf("%" PRIu64 " handles failed with their broker", t->over);
    else
        printf("%" PRIu64 " came again after %" PRIu64 " sessions had ended, %" PRIu64
               " gone with a killed receiver, %" PRIu64 " in doubt",
               t->redelivered, t->over + t->kills, t->missing, t->in_doubt);
    printf("  (%.0f s)\n", seconds);
    fflush(stdout);
}

/* Until its share of the time is over; a kind whose rounds are long takes more rather than do fewer than the floor. */
static bool rounds_of(const struct kind *kind, double share)
{
    double begin = seconds_now(), until = begin + share, at_most = begin + MOST_SHARES * share;
    struct tally sum = { 0 };
    unsigned done = 0;

    for (uint64_t seed = options.seed; done < options.rounds; seed++) {
        if (seconds_now() >= (done < options.floor ? at_most : until))
            break;
        unsigned left = (unsigned)options.rounds - done;

        done += episode(kind, seed, left < EPISODE_ROUNDS ? left : EPISODE_ROUNDS, until, &sum);
    }
    tell(kind, done, &sum, seconds_now() - begin);
    if (done >= options.floor)
        return true;
    fprintf(stderr, "rounds: FAILED: only %u rounds of %s, fewer than %lu\n", done, kind->name,
            options.floor);
    return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'k':
        options.kind = arg;
        return 0;
    case 'n':
        options.rounds = strtoul(arg, NULL, 10);
        return 0;
    case 's':
        options.seconds = strtod(arg, NULL);
        return 0;
    case 'f':
        options.floor = strtoul(arg, NULL, 10);
        return 0;
    case 'x':
        options.seed = strtoull(arg, NULL, 10);
        return 0;
    case 'b':
        options.bin = arg;
        return 0;
    case 'l':
        options.link = arg;
        return 0;
    case 'p':
        options.netns = arg;
        return 0;
    case 'u':
        options.listen = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_list[] = {
    { "kind", 'k', "KIND", 0, "Only rounds of that kind", 0 },
    { "rounds", 'n', "N", 0, "So many of each kind (200)", 0 },
    { "seconds", 's', "S", 0, "All together take so long, but for the floor", 0 },
    { "floor", 'f', "N", 0, "Of each kind: more time for fewer, then a failure", 0 },
    { "seed", 'x', "SEED", 0, "Of the first episode of each kind; the next ones count on", 0 },
    { "bin", 'b', "DIRECTORY", 0, "Of runnel and runnel-broker ($RUNNEL_BIN)", 0 },
    { "link", 'l', "PROGRAM", 0,
      "Cuts and heals: PROGRAM cut|heal 0|1|2 (both ways, to, from the broker)", 0 },
    { "netns", 'p', "PID", 0, "The broker runs in the network namespace of this process", 0 },
    { "listen", 'u', "URL", 0, "Where it listens (tcp://127.0.0.1:0)", 0 },
    { 0 },
};

/* pump is beside us. */
static void find_programs(void)
{
    ssize_t n = readlink("/proc/self/exe", pump_path, sizeof pump_path - 8);
    char *slash;

    pump_path[n > 0 ? n : 0] = '\0';
    slash = strrchr(pump_path, '/');
    if (slash == NULL) {
        fprintf(stderr, "rounds: where am I?\n");
        exit(2);
    }
    snprintf(slash, sizeof pump_path - (size_t)(slash - pump_path), "/pump");
    if (options.bin == NULL)
        options.bin = getenv("RUNNEL_BIN");
    if (options.bin == NULL) {
        fprintf(stderr, "rounds: --bin or $RUNNEL_BIN: the directory of runnel-broker\n");
        exit(2);
    }
}

static bool is_chosen(const struct kind *kind)
{
    if (kind->of_link != (options.link != NULL))
        return false;
    return options.kind == NULL || strcmp(kind->name, options.kind) == 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = { .options = option_list,
                                      .parser = parse,
                                      .doc = "Rounds of faults of real processes under load." };
    size_t chosen = 0;
    bool ok = true;

    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    find_programs();
    for (size_t i = 0; i < KINDS; i++)
        chosen += is_chosen(&kinds[i]);
    for (size_t i = 0; i < KINDS; i++)
        if (is_chosen(&kinds[i]))
            ok &= rounds_of(&kinds[i],
                            options.seconds > 0 ? options.seconds / (double)chosen : 1e18);
    if (chosen == 0) {
        fprintf(stderr, "rounds: there is no kind '%s' %s --link\n", options.kind,
                options.link != NULL ? "with" : "without");
        return 2;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
