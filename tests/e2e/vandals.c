/* vandals.c - spoilt ZMTP sessions against a live broker, while an honest stream goes on through it.
 *   SPDX-License-Identifier: MIT
 *
 *   vandals [--seconds S] [--sessions N] [--from N] [--seed S] [--floor N] [--at-once N] [--rss MIB] [--bin DIRECTORY]
 *
 * A session is a raw TCP client that does what a node does - greeting, READY, Hello, then controls and sections of a node that
 * keeps to the protocol as it pleases (tests/fuzz/hostile.h) - and spoils it: bits, lengths, pieces that are cut off, left
 * out, said twice or in another order, parts without an end, a byte at a time, half-closed, left without a word.  What
 * a session says is a function of the seed and its number; when it says it is up to the machine.
 *
 * Meanwhile `runnel send | runnel recv` move numbered lines through a channel of their own.  In the end every line has come
 * once and in order, the broker is alive, ends when it is told to, and has never used more memory than it may. */
#include "proto/frame.h"
#include "tests/e2e/process.h"
#include "tests/e2e/zmtp.h"
#include "tests/fuzz/hostile.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX  256
#define LEASE_MAX    "2"  /* seconds: so long what a session leaves behind may stay */
#define OLD_S        2.0  /* a session that is older is ended */
#define PATIENCE_S   0.05 /* so long it waits for an answer */
#define STANDSTILL_S 30.0 /* so long the honest stream may stand still */
#define LINE         10   /* bytes */
#define AHEAD        200  /* lines that are sent and have not come */
#define PARTS_MAX    2000 /* of a message */
#define SESSION_KIB \
    1 /* ZeroMQ keeps something of connections that claim an identity which is in use, and of the like */
#define CAPACITY_MAX \
    64 /* of what channels a session makes: what stays in them is not to count here */

static struct options {
    const char *bin;
    uint64_t seed, from, sessions, floor;
    unsigned at_once;
    unsigned long rss_mib;
    double seconds;
} options = { .seconds = 3, .sessions = UINT64_MAX, .from = 1, .at_once = 128 };

struct vandal {
    int fd; /* < 0: none */
    uint64_t number, chance;
    double since, waits_until;
    bool half_closed, slow, spoils;
    unsigned steps; /* that are left */
    unsigned step;
    struct bytes out, in, held; /* held: a piece that comes behind the next */
    size_t sent;
    bool greeted; /* its greeting was read */
    bool shook;   /* its own handshake was as it should be: so what comes is of ZMTP 3 */
    uint64_t session, seq, ack;
    struct hostile mind;
};

static struct vandal vandals[AT_ONCE_MAX];
static uint64_t next_number, n_sessions, n_welcome, n_refused;

static pid_t broker, sender, receiver;
static int lines_out = -1, lines_in = -1;
static uint64_t lines_sent, lines_came;
static size_t line_at, sent_at;
static double came_at;
static struct sockaddr_in address;
static char dir[] = "/tmp/runnel-vandals.XXXXXX";

/* ---- what went wrong ----------------------------------------------------------------------------------------------- */

static void show_errors(void)
{
    char command[256];

    snprintf(command, sizeof command, "cd %s && tail -n 60 *.err >&2", dir);
    if (system(command) != 0)
        fprintf(stderr, "(failed: %s)\n", command);
}

static void clear(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        fprintf(stderr, "(failed: %s)\n", command);
}

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...)
{
    uint64_t first = next_number;
    va_list ap;

    for (unsigned i = 0; i < options.at_once; i++)
        if (vandals[i].fd >= 0 && vandals[i].number < first)
            first = vandals[i].number;
    fprintf(stderr, "vandals: FAILED: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    show_errors();
    fprintf(stderr,
            "replay all: tests/e2e/vandals.sh --seed %" PRIu64 " --from %" PRIu64
            " --sessions %" PRIu64 "; those that were under way begin with --from %" PRIu64 "\n",
            options.seed, options.from, next_number - options.from, first);
    clear();
    exit(EXIT_FAILURE);
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the broker and the honest stream ------------------------------------------------------------------------------ */

/* Starts a program of ours whose standard input is in_fd, unless that is < 0. */
static pid_t start(const char *const argv[], int in_fd, int out_fd, const char *name)
{
    char program[PATH_MAX], err[PATH_MAX];
    const char *with_path[8] = { program };
    int stdin_fd = dup(STDIN_FILENO);
    pid_t pid;

    snprintf(program, sizeof program, "%s/%s", options.bin, argv[0]);
    snprintf(err, sizeof err, "%s/%s.err", dir, name);
    for (unsigned i = 1; argv[i] != NULL; i++)
        with_path[i] = argv[i];
    if (in_fd >= 0)
        dup2(in_fd, STDIN_FILENO);
    pid = process_start(with_path, out_fd, err);
    if (in_fd >= 0)
        dup2(stdin_fd, STDIN_FILENO);
    close(stdin_fd);
    if (pid < 0)
        fail("cannot start %s", program);
    return pid;
}

static void make_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        fail("pipe: %s", strerror(errno));
}

static void broker_start(void)
{
    const char *const argv[] = { "runnel-broker", "--listen", "tcp://127.0.0.1:0",
                                 "--lease-max",   LEASE_MAX,  NULL };
    char line[256], url[128];
    unsigned port;
    int out[2];
    FILE *f;

    make_pipe(out);
    broker = start(argv, -1, out[1], "broker");
    close(out[1]);
    f = fdopen(out[0], "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL ||
        sscanf(line, "runnel-broker: listening on %127s", url) != 1 ||
        sscanf(url, "tcp://127.0.0.1:%u", &port) != 1)
        fail("the broker did not start");
    fclose(f);
    setenv("RUNNEL_URL", url, 1);
    address = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void stream_start(void)
{
    const char *const send[] = { "runnel", "send", "--close", "--capacity=1000", "honest", NULL };
    const char *const recv[] = { "runnel", "recv", "honest", NULL };
    int to[2], from[2];

    make_pipe(to);
    make_pipe(from);
    receiver = start(recv, -1, from[1], "receiver");
    sender = start(send, to[0], -1, "sender");
    close(to[0]);
    close(from[1]);
    lines_out = to[1];
    lines_in = from[0];
    fcntl(lines_out, F_SETFL, O_NONBLOCK);
    fcntl(lines_in, F_SETFL, O_NONBLOCK);
    came_at = seconds_now();
}

static void line_of(uint64_t number, char line[LINE + 1])
{
    snprintf(line, LINE + 1, "%09" PRIu64 "\n", number % 1000000000);
}

/* As many lines as fit; the last may go in pieces. */
static void lines_write(void)
{
    char line[LINE + 1];

    while (lines_sent < lines_came + AHEAD) {
        line_of(lines_sent, line);
        ssize_t n = write(lines_out, line + sent_at, LINE - sent_at);
        if (n < 0 && errno != EAGAIN)
            fail("the honest sender is gone: %s", strerror(errno));
        if (n <= 0)
            return;
        sent_at += (size_t)n;
        if (sent_at == LINE) {
            sent_at = 0;
            lines_sent++;
        }
    }
}

/* false: that was the last. */
static bool lines_read(void)
{
    char data[4096], line[LINE + 1];
    ssize_t n;

    while ((n = read(lines_in, data, sizeof data)) > 0) {
        came_at = seconds_now();
        for (ssize_t i = 0; i < n; i++) {
            line_of(lines_came, line);
            if (data[i] != line[line_at])
                fail("line %" PRIu64 " of the honest stream did not come as it was sent",
                     lines_came);
            if (++line_at == LINE) {
                line_at = 0;
                lines_came++;
            }
        }
    }
    if (lines_came < lines_sent && seconds_now() - came_at > STANDSTILL_S)
        fail("the honest stream stands still");
    return n < 0;
}

static void stream_end(void)
{
    struct pollfd p = { .fd = lines_in, .events = POLLIN };

    while (sent_at > 0) /* the rest of a line */
        lines_write();
    close(lines_out);
    while (lines_read())
        poll(&p, 1, 100);
    if (process_wait(sender, STANDSTILL_S) != 0)
        fail("the honest sender did not end in order");
    if (process_wait(receiver, STANDSTILL_S) != 0)
        fail("the honest receiver did not end in order");
    if (lines_came != lines_sent)
        fail("%" PRIu64 " lines were sent and %" PRIu64 " came", lines_sent, lines_came);
}

/* MiB, the most that it ever was. */
static unsigned long broker_memory(void)
{
    char path[64], line[256];
    unsigned long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)broker);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmHWM: %lu kB", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib / 1024;
}

/* ---- what a vandal says ---------------------------------------------------------------------------------------------- */

static bool one_in(struct vandal *v, unsigned n)
{
    return chance(&v->chance, n) == 0;
}

static void add_frame(struct bytes *b, struct frame *f)
{
    if (f == NULL)
        fail("no memory");
    zmtp_part(b, f->data, f->len, /* more= */ false);
    frame_unref(f);
}

static void say_hello(struct vandal *v, struct bytes *b)
{
    struct wire_hello hello = {
        .version = 1, .name = "vandal", .lease_ms = one_in(v, 50) ? 0 : 200, .resume = one_in(v, 50)
    };

    memcpy(hello.instance, &v->number, sizeof v->number);
    add_frame(b, frame_of_hello(hello.resume ? v->session + 1 : 0, &hello));
}

/* What stays in channels is not to be what is measured. */
static void clip(struct wire_control *c)
{
    struct wire_attributes *a = &c->bind_.attributes;

    if (c->what != WIRE_BIND)
        return;
    if (a->capacity != WIRE_RENDEZVOUS)
        a->capacity = CAPACITY_MAX;
    a->capacity_bytes = 64 << 10;
}

static void say_numbered(struct vandal *v, struct bytes *b)
{
    uint8_t program[256];
    struct input in = { program, sizeof program };
    struct control_buffer controls = { 0 };
    struct frame_writer writer = { 0 };
    struct wire_control c;
    struct wire_section s;

    for (size_t i = 0; i < sizeof program; i++)
        program[i] = (uint8_t)chance(&v->chance, 256);
    for (unsigned n = 1 + (unsigned)chance(&v->chance, 3); n > 0; n--) {
        hostile_control(&v->mind, &in, &c);
        clip(&c);
        if (control_append(&controls, &c) < 0)
            fail("no memory");
    }
    for (unsigned n = (unsigned)chance(&v->chance, 3); n > 0; n--) {
        hostile_section(&v->mind, &in, &s);
        if (controls.len <= FRAME_CONTROLS_ROOM && frame_writer_section(&writer, &s) < 0)
            fail("no memory");
    }
    v->seq += !one_in(v, 40);
    if (writer.n_sections > 0)
        add_frame(b, frame_writer_seal_with(&writer, v->session, v->seq, v->ack, controls.data,
                                            controls.len));
    else
        add_frame(b, frame_of_controls(v->session, v->seq, v->ack, controls.data, controls.len));
    control_buffer_fini(&controls);
}

/* Parts of a message that does not end. */
static void say_parts(struct vandal *v, struct bytes *b)
{
    static const uint8_t part[255];

    for (uint64_t n = chance(&v->chance, one_in(v, 16) ? PARTS_MAX : 8); n > 0; n--)
        zmtp_part(b, part, chance(&v->chance, sizeof part), /* more= */ true);
}

static void say_odd(struct vandal *v, struct bytes *b)
{
    static const uint8_t context[64];

    switch (chance(&v->chance, 4)) {
    case 0:
        say_parts(v, b);
        break;
    case 1:
        zmtp_ping(b, context, chance(&v->chance, sizeof context));
        break;
    case 2:
        zmtp_ready(b, "");
        break;
    default:
        say_hello(v, b);
    }
}

/* The next piece of what a node would say. */
static void say(struct vandal *v, struct bytes *b)
{
    char identity[8] = "";

    switch (v->step++) {
    case 0:
        zmtp_greeting(b);
        break;
    case 1:
        if (one_in(v, 10))
            snprintf(identity, sizeof identity, "v%u", (unsigned)chance(&v->chance, 100));
        zmtp_ready(b, identity);
        break;
    case 2:
        say_hello(v, b);
        v->waits_until = seconds_now() + PATIENCE_S;
        break;
    default:
        if (one_in(v, 12))
            say_odd(v, b);
        else
            say_numbered(v, b);
        if (one_in(v, 2))
            v->waits_until = seconds_now() + PATIENCE_S;
    }
}

/* Makes the next piece ready to be sent, spoilt or not, or held back until the one behind it has gone. */
static void prepare(struct vandal *v)
{
    struct bytes piece = { 0 };
    bool handshake = v->step < 2;

    v->out.n = v->sent = 0;
    say(v, &piece);
    if (v->spoils && one_in(v, 5)) {
        zmtp_spoil(&piece, &v->chance);
        v->shook &= !handshake;
    }
    if (v->spoils && v->held.n == 0 && one_in(v, 30)) {
        bytes_fini(&v->held);
        v->held = piece;
        v->shook &= !handshake;
        return;
    }
    bytes_add(&v->out, piece.at, piece.n);
    bytes_add(&v->out, v->held.at, v->held.n);
    v->held.n = 0;
    bytes_fini(&piece);
}

/* ---- what it hears --------------------------------------------------------------------------------------------------- */

static void hear(struct vandal *v, const uint8_t *data, size_t len)
{
    struct frame_view view;
    const char *why = "";

    if (frame_read(&view, data, len, &why) < 0) {
        if (v->shook)
            fail("the broker sent what cannot be read: %s", why);
        return;
    }
    v->waits_until = 0;
    if (view.welcome != NULL) {
        v->session = view.session;
        n_welcome++;
    }
    n_refused += view.refusal != NULL;
    if (view.seq > v->ack)
        v->ack = view.seq;
    for (uint32_t i = 0; i < view.n_controls; i++)
        hostile_hear(&v->mind, &view.controls[i]);
    for (uint32_t i = 0; i < view.n_sections; i++)
        hostile_get(&v->mind, &view.sections[i]);
    frame_view_fini(&view);
}

static void hear_all(struct vandal *v)
{
    const uint8_t *body;
    size_t at = 0, n, len;
    bool is_command;

    if (!v->greeted && v->in.n >= ZMTP_GREETING) {
        v->greeted = true;
        at = ZMTP_GREETING;
    }
    while (v->greeted &&
           (n = zmtp_read(v->in.at + at, v->in.n - at, &body, &len, &is_command)) > 0) {
        if (!is_command)
            hear(v, body, len);
        at += n;
    }
    v->in.n -= at;
    if (v->in.n > 0)
        memmove(v->in.at, v->in.at + at, v->in.n);
}

/* ---- its life -------------------------------------------------------------------------------------------------------- */

/* Most go without the goodbye of TCP, so that their ports are free at once. */
static void vandal_end(struct vandal *v)
{
    const struct linger none = { .l_onoff = 1 };

    if (!one_in(v, 20))
        setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(v->fd);
    bytes_fini(&v->out);
    bytes_fini(&v->in);
    bytes_fini(&v->held);
    v->fd = -1;
    n_sessions++;
}

static void vandal_begin(struct vandal *v)
{
    /* Each from an address of its own, so that no two need the same port. */
    struct sockaddr_in own = { .sin_family = AF_INET };
    const int on = 1;

    *v = (struct vandal){ .number = next_number++, .since = seconds_now(), .shook = true };
    v->chance = options.seed * UINT64_C(1000003) + v->number * UINT64_C(0xd1342543de82ef95);
    v->spoils = !one_in(v, 8);
    v->slow = one_in(v, 16);
    v->steps = 1 + (unsigned)chance(&v->chance, 12);
    own.sin_addr.s_addr = htonl(0x7f000000 | (2 + (uint32_t)chance(&v->chance, 60000)));
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(v->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(v->fd, (struct sockaddr *)&own, sizeof own) < 0)
        fail("bind: %s", strerror(errno));
    if (connect(v->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
}

/* false: the connection is gone. */
static bool vandal_reads(struct vandal *v)
{
    uint8_t data[16384];
    ssize_t n = recv(v->fd, data, sizeof data, 0);

    if (n < 0)
        return errno == EAGAIN;
    bytes_add(&v->in, data, (size_t)n);
    hear_all(v);
    return n > 0;
}

static bool vandal_writes(struct vandal *v)
{
    size_t left, n;
    ssize_t gone;

    if (v->sent == v->out.n && v->steps > 0) {
        v->steps--;
        prepare(v);
    }
    left = v->out.n - v->sent;
    n = v->slow && left > 0 ? 1 + chance(&v->chance, left < 7 ? left : 7) : left;
    if (n == 0)
        return true;
    gone = send(v->fd, v->out.at + v->sent, n, MSG_NOSIGNAL);
    if (gone < 0)
        return errno == EAGAIN;
    v->sent += (size_t)gone;
    return true;
}

static bool has_said_all(const struct vandal *v)
{
    return v->steps == 0 && v->sent == v->out.n;
}

/* It has said all: it goes, or says that it says no more and still listens for a while. */
static bool vandal_goes(struct vandal *v, double now)
{
    if (v->half_closed || !one_in(v, 8))
        return now >= v->waits_until;
    v->half_closed = true;
    shutdown(v->fd, SHUT_WR);
    v->waits_until = now + PATIENCE_S;
    return false;
}

static void vandal_turn(struct vandal *v, short events, double now)
{
    bool lives = now - v->since < OLD_S;

    if (lives && events & (POLLIN | POLLERR | POLLHUP))
        lives = vandal_reads(v);
    if (lives && events & POLLOUT && !v->half_closed && now >= v->waits_until)
        lives = vandal_writes(v);
    if (lives && has_said_all(v))
        lives = !vandal_goes(v, now);
    if (!lives)
        vandal_end(v);
}

static bool may_begin(double until)
{
    return next_number - options.from < options.sessions &&
           (options.seconds <= 0 || seconds_now() < until);
}

/* One look at everybody.  false: there is nobody any more. */
static bool turn(double until)
{
    struct pollfd polled[AT_ONCE_MAX];
    bool any = false;
    double now = seconds_now();

    for (unsigned i = 0; i < options.at_once; i++) {
        if (vandals[i].fd < 0 && may_begin(until))
            vandal_begin(&vandals[i]);
        bool writes = !vandals[i].half_closed && now >= vandals[i].waits_until;
        polled[i] = (struct pollfd){ .fd = vandals[i].fd,
                                     .events = (short)(POLLIN | (writes ? POLLOUT : 0)) };
        any |= vandals[i].fd >= 0;
    }
    poll(polled, options.at_once, 1);
    now = seconds_now();
    for (unsigned i = 0; i < options.at_once; i++)
        if (vandals[i].fd >= 0)
            vandal_turn(&vandals[i], polled[i].revents, now);
    return any;
}

static void rage(void)
{
    double until = seconds_now() + options.seconds;

    next_number = options.from;
    for (unsigned i = 0; i < options.at_once; i++)
        vandals[i].fd = -1;
    while (turn(until)) {
        lines_write();
        if (!lines_read())
            fail("the honest receiver is gone");
        if (!process_alive(broker))
            fail("the broker is gone, with status %d", process_wait(broker, 1));
    }
}

static void judge(double took)
{
    unsigned long mib = broker_memory();

    printf("vandals: %" PRIu64 " sessions in %.1f s (%" PRIu64 " welcome, %" PRIu64
           " refused), %" PRIu64 " honest lines, the broker at most %lu MiB; seed %" PRIu64 "\n",
           n_sessions, took, n_welcome, n_refused, lines_came, mib, options.seed);
    if (options.rss_mib > 0 && mib > options.rss_mib + n_sessions * SESSION_KIB / 1024)
        fail("the broker used %lu MiB, more than %lu and %d KiB for each session", mib,
             options.rss_mib, SESSION_KIB);
    if (n_sessions < options.floor)
        fail("only %" PRIu64 " sessions, fewer than %" PRIu64, n_sessions, options.floor);
    if (n_sessions > 100 && (n_welcome == 0 || n_refused == 0))
        fail("no session came through to what is behind the door");
    if (lines_came == 0)
        fail("no honest line came");
    kill(broker, SIGTERM);
    if (process_wait(broker, STANDSTILL_S) != 0)
        fail("the broker did not end in order");
}

/* ---- the command line ------------------------------------------------------------------------------------------------ */

enum { SECONDS = 1, SESSIONS, FROM, SEED, FLOOR, AT_ONCE, RSS, BIN };

static const struct argp_option table[] = {
    { "seconds", SECONDS, "S", 0, "begin no session after that; 0: as long as --sessions takes",
      0 },
    { "sessions", SESSIONS, "N", 0, "so many at most", 0 },
    { "from", FROM, "N", 0, "the number of the first one", 0 },
    { "seed", SEED, "N", 0, "(default: by chance)", 0 },
    { "floor", FLOOR, "N", 0, "fewer sessions are a failure", 0 },
    { "at-once", AT_ONCE, "N", 0, "so many at the same time (128)", 0 },
    { "rss", RSS, "MIB", 0,
      "more memory of the broker, beside 1 KiB for each session, is a failure; 0: do not look", 0 },
    { "bin", BIN, "DIRECTORY", 0, "of the programs (default: $RUNNEL_BIN)", 0 },
    { 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    switch (key) {
    case SECONDS:
        options.seconds = strtod(text, NULL);
        break;
    case SESSIONS:
        options.sessions = strtoull(text, NULL, 0);
        break;
    case FROM:
        options.from = strtoull(text, NULL, 0);
        break;
    case SEED:
        options.seed = strtoull(text, NULL, 0);
        break;
    case FLOOR:
        options.floor = strtoull(text, NULL, 0);
        break;
    case AT_ONCE:
        options.at_once = (unsigned)strtoul(text, NULL, 0);
        if (options.at_once == 0 || options.at_once > AT_ONCE_MAX)
            argp_error(state, "--at-once takes a number from 1 to %d", AT_ONCE_MAX);
        break;
    case RSS:
        options.rss_mib = strtoul(text, NULL, 0);
        break;
    case BIN:
        options.bin = text;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct argp argp = { table, parse, NULL, "Spoilt ZMTP sessions against a live broker.",
                               NULL,  NULL,  NULL };

    options.bin = getenv("RUNNEL_BIN");
    options.seed = (uint64_t)time(NULL);
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (options.bin == NULL || (options.seconds <= 0 && options.sessions == UINT64_MAX)) {
        fprintf(stderr, "vandals: --bin, and --seconds or --sessions, must be given\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return EXIT_FAILURE;
    }
    double begin = seconds_now();
    broker_start();
    stream_start();
    rage();
    stream_end();
    judge(seconds_now() - begin);
    clear();
    return EXIT_SUCCESS;
}
