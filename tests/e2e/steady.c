/* steady.c - how often broker, producer and consumer take memory once they are under way.   SPDX-License-Identifier: MIT
 *
 *   steady BROKER COUNTING DIRECTORY    the programs runnel-broker and libcounting.so, and where files may be put
 *
 * Each process has tests/e2e/preload/counting.c before its allocator and before ZeroMQ.  When enough elements have come to
 * fill what is filled once, the counts of all are read; and again when many more have come.  What must hold in between:
 * fewer than three allocations for each frame that a process sends or receives, ZeroMQ's among them, and none for an element:
 * in a stream, whose frames have many, there are many more elements than allocations.  Nothing here depends on time.
 *
 * Exit status 0 when it holds; each process has a line in the output. */
#include <runnel/runnel.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/e2e/preload/counting.h"
#include "tests/e2e/process.h"

#define PER_FRAME    3
#define ELEMENTS_PER 10 /* allocation, in a stream: its frames have hundreds */
#define SIZE         128

enum { BROKER, PRODUCER, CONSUMER, SLOTS };
static const char *const names[SLOTS] = { "broker", "producer", "consumer" };

/* What the processes share: a file. */
struct page {
    struct counting counting[SLOTS]; /* first: counting.c knows no more of it */
    atomic_ullong elements;          /* that have come */
    atomic_bool enough;
};

/* How elements travel, and how many are enough. */
static const struct way {
    const char *name;
    rn_bind_opts bind;
    bool answers; /* each is sent when the one before has come back */
    unsigned long long warm, counted;
} ways[] = {
    { .name = "stream", .warm = 200000, .counted = 400000 },
    { .name = "pings", .answers = true, .warm = 2000, .counted = 3000 },
};

static void ends_if(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "steady: %s: %s\n", what, rn_strerror(rc));
    _exit(1);
}

static struct page *page_of(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(struct page)) == 0)
        map = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        ends_if(-errno, path);
    return map;
}

/* ---- a producer, a consumer: processes of their own ---- */

struct element {
    unsigned char bytes[SIZE];
};

static int element_encode(const void *ctx, const void *elem, rn_buf *out)
{
    (void)ctx;
    return rn_buf_append(out, elem, SIZE);
}

static int element_decode(const void *ctx, const uint8_t *bytes, size_t len, void *elem)
{
    (void)ctx;
    if (len != SIZE)
        return -EBADMSG;
    memcpy(elem, bytes, SIZE);
    return 0;
}

struct role {
    const struct way *way;
    struct page *page;
    const char *url;
    bool produces;
};

static rn_chan *bound(const struct role *r, rn_node *node, const char *name, bool out)
{
    static const rn_codec codec = {
        .type = "element", .elemsize = SIZE, .encode = element_encode, .decode = element_decode
    };
    rn_chan *c = rn_chan_new(SIZE, 0, NULL);

    ends_if(rn_bind(node, name, out ? RN_OUT : RN_IN, c, &codec, &r->way->bind, RN_FOREVER), name);
    return c;
}

static void produce(const struct role *r, rn_chan *there, rn_chan *back)
{
    struct element e = { .bytes = "steady" };
    int rc = 0;

    while (rc == 0 && !atomic_load(&r->page->enough)) {
        rc = rn_chan_send(there, &e, RN_FOREVER);
        if (rc == 0 && back != NULL)
            rc = rn_chan_recv(back, &e, RN_FOREVER);
    }
    ends_if(rc, "the producer");
}

static void consume(const struct role *r, rn_chan *there, rn_chan *back)
{
    struct element e;
    int rc = 0;

    while (rc == 0 && !atomic_load(&r->page->enough)) {
        rc = rn_chan_recv(there, &e, RN_FOREVER);
        atomic_fetch_add(&r->page->elements, 1);
        if (rc == 0 && back != NULL)
            rc = rn_chan_send(back, &e, RN_FOREVER);
    }
    ends_if(rc, "the consumer");
}

static int role_run(void *arg)
{
    const struct role *r = arg;
    rn_node *node = NULL;
    rn_chan *there, *back;

    ends_if(rn_node_open(&node, &(rn_node_opts){ .brokers = r->url }, rn_after(30 * RN_SEC)),
            "open");
    there = bound(r, node, "there", r->produces);
    back = r->way->answers ? bound(r, node, "back", !r->produces) : NULL;
    (r->produces ? produce : consume)(r, there, back);
    return 0; /* whatever is under way: only counts matter here */
}

static int role_main(int argc, char **argv)
{
    struct role r = { .page = page_of(getenv(COUNTING_FILE)) };

    if (argc != 4)
        return 2;
    r.produces = strcmp(argv[1], "produce") == 0;
    r.way = &ways[atoi(argv[2])];
    r.url = argv[3];
    return rn_main(0, role_run, &r);
}

/* ---- who starts them and counts ---- */

struct trial {
    const struct way *way;
    struct page *page;
    const char *broker, *directory;
    pid_t pid[SLOTS];
};

static pid_t preloaded(int slot, const char *const argv[], int out_fd, const char *directory)
{
    char number[16], err[4096];
    pid_t pid;

    snprintf(number, sizeof number, "%d", slot);
    snprintf(err, sizeof err, "%s/steady-%s.err", directory, names[slot]);
    setenv(COUNTING_SLOT, number, 1);
    setenv("LD_PRELOAD", getenv("COUNTING"), 1);
    pid = process_start(argv, out_fd, err);
    unsetenv("LD_PRELOAD");
    ends_if(pid, argv[0]);
    return pid;
}

static void broker_start(struct trial *t, char *url, size_t size)
{
    const char *const argv[] = { t->broker, "--listen", "tcp://127.0.0.1:0", NULL };
    char line[256] = "", *at = NULL;
    FILE *out;
    int fds[2];

    ends_if(pipe2(fds, O_CLOEXEC), "pipe");
    t->pid[BROKER] = preloaded(BROKER, argv, fds[1], t->directory);
    close(fds[1]);
    out = fdopen(fds[0], "r");
    if (fgets(line, sizeof line, out) != NULL)
        at = strstr(line, "tcp://");
    if (at == NULL)
        ends_if(-ECHILD, "the broker did not say where it listens");
    snprintf(url, size, "%.*s", (int)strcspn(at, "\n"), at);
    fclose(out);
}

static void await(struct trial *t, unsigned long long elements)
{
    const struct timespec look = { .tv_nsec = 1000000 };

    while (atomic_load(&t->page->elements) < elements) {
        for (int i = 0; i < SLOTS; i++)
            if (!process_alive(t->pid[i]))
                ends_if(-ECHILD, names[i]);
        nanosleep(&look, NULL);
    }
}

/* Counts go on while they are read, so those of one process are from about the same time. */
struct counts {
    unsigned long long elements, allocations[SLOTS], frames[SLOTS];
};

static struct counts counts_now(struct page *p)
{
    struct counts c = { .elements = atomic_load(&p->elements) };

    for (int i = 0; i < SLOTS; i++) {
        c.allocations[i] = atomic_load(&p->counting[i].allocations);
        c.frames[i] = atomic_load(&p->counting[i].frames);
    }
    return c;
}

static bool judged(const struct trial *t, const struct counts *a, const struct counts *b)
{
    bool well = true;

    for (int i = 0; i < SLOTS; i++) {
        double elements = (double)(b->elements - a->elements);
        double allocations = (double)(b->allocations[i] - a->allocations[i]);
        double frames = (double)(b->frames[i] - a->frames[i]);

        printf(
            "%s: %-8s %8.0f elements, %7.0f frames, %7.0f allocations: %.4f an element, %.3f a frame\n",
            t->way->name, names[i], elements, frames, allocations, allocations / elements,
            allocations / frames);
        well = well && allocations < PER_FRAME * frames &&
               (t->way->answers || allocations * ELEMENTS_PER < elements);
    }
    return well;
}

static bool trial_run(struct trial *t, const char *self)
{
    char url[256], way[16];
    const char *consumer[] = { self, "consume", way, url, NULL };
    const char *producer[] = { self, "produce", way, url, NULL };
    struct counts from, to;

    snprintf(way, sizeof way, "%d", (int)(t->way - ways));
    memset(t->page, 0, sizeof *t->page);
    broker_start(t, url, sizeof url);
    t->pid[CONSUMER] = preloaded(CONSUMER, consumer, -1, t->directory);
    t->pid[PRODUCER] = preloaded(PRODUCER, producer, -1, t->directory);
    await(t, t->way->warm);
    from = counts_now(t->page);
    await(t, t->way->warm + t->way->counted);
    to = counts_now(t->page);
    atomic_store(&t->page->enough, true);
    for (int i = 0; i < SLOTS; i++)
        process_kill(t->pid[i]);
    return judged(t, &from, &to);
}

int main(int argc, char **argv)
{
    struct trial t = { 0 };
    char path[4096], self[4096] = "";
    bool well = true;

    if (getenv(COUNTING_SLOT) != NULL)
        return role_main(argc, argv);
    if (argc != 4 || readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 2;
    t.broker = argv[1];
    t.directory = argv[3];
    snprintf(path, sizeof path, "%s/steady.counts", argv[3]);
    setenv(COUNTING_FILE, path, 1);
    setenv("COUNTING", argv[2], 1);
    t.page = page_of(path);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        t.way = &ways[i];
        well = trial_run(&t, self) && well;
    }
    return well ? 0 : 1;
}
