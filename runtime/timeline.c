/* timeline.c - see timeline.h.   SPDX-License-Identifier: MIT
 *
 * The records of all rings are gone through in the order of time, three times: for the names, for the slices and then for the
 * arrows, since an arrow holds on to the slice that it lies in, which must have been read before.
 *
 * Where a ring has lost its oldest records, what a goroutine did before its first one follows from that: who wakes
 * another, or leaves, was running. */
#include "runtime/timeline.h"

#include "runtime/json.h"
#include "runtime/roster.h"
#include "runtime/state.h"
#include "runtime/symbol.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define GOROUTINES 1 /* the "processes" of the file */
#define WORKERS    2
#define FN_NAMES   64

enum pass { NAMES, SLICES, ARROWS };
enum doing { UNKNOWN, RUNNABLE, RUNNING, WAITING, GONE };

struct track {
    uint64_t id;
    char name[RN__NAME_MAX];
    const void *fn;
    enum doing doing;
    int64_t since_ns;
    unsigned worker;  /* RUNNING: on which */
    enum rn__why why; /* WAITING: for what, as the next two */
    uint64_t chan, object;
    uint64_t cause;         /* who made it runnable, or 0 ... */
    int64_t cause_ns;       /* ... when ... */
    const char *cause_what; /* ... and how */
};

/* What lies in a slot of a buffer. */
struct element {
    uint64_t chan, slot; /* chan 0: free */
    uint64_t who;        /* 0: it has been taken */
    int64_t ns;
};

struct timeline {
    const struct rn__timeline *in;
    enum pass pass;
    struct rn__json json;
    bool any; /* an event has been written */
    uint64_t arrows;
    struct track *tracks; /* in the order in which they appear */
    size_t n_tracks;
    uint32_t *index; /* hash table of tracks, + 1; 0: free */
    size_t mask;     /* of it, and of elements */
    struct element *elements;
    size_t *next; /* of each ring */
    struct {
        const void *fn;
        char name[64];
    } fns[FN_NAMES];
};

/* ---- tables --------------------------------------------------------------------------------------- */

static size_t hash(uint64_t a, uint64_t b)
{
    return (size_t)(((a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd)) >> 29);
}

/* Where it is, or would be, in the index. */
static size_t track_place(const struct timeline *t, uint64_t id)
{
    size_t i = hash(id, 0) & t->mask;

    while (t->index[i] != 0 && t->tracks[t->index[i] - 1].id != id)
        i = (i + 1) & t->mask;
    return i;
}

/* NULL: it is no goroutine. */
static struct track *track_of(struct timeline *t, uint64_t id)
{
    size_t i = track_place(t, id);

    if (id == 0)
        return NULL;
    if (t->index[i] != 0)
        return &t->tracks[t->index[i] - 1];
    t->tracks[t->n_tracks].id = id;
    t->index[i] = (uint32_t)++t->n_tracks;
    return &t->tracks[t->n_tracks - 1];
}

static struct element *element_of(struct timeline *t, uint64_t chan, uint64_t slot)
{
    size_t i = hash(chan, slot + 1) & t->mask;

    while (t->elements[i].chan != 0 && (t->elements[i].chan != chan || t->elements[i].slot != slot))
        i = (i + 1) & t->mask;
    t->elements[i].chan = chan;
    t->elements[i].slot = slot;
    return &t->elements[i];
}

/* The function's name, without what rn__symbol_name() says besides. */
static const char *fn_name(struct timeline *t, const void *fn)
{
    size_t i = 0;
    char *plus;

    while (i < FN_NAMES - 1 && t->fns[i].fn != NULL && t->fns[i].fn != fn)
        i++;
    if (t->fns[i].fn != fn) {
        t->fns[i].fn = fn;
        rn__symbol_name(fn, t->fns[i].name, sizeof t->fns[i].name);
        plus = strstr(t->fns[i].name, "+0x0 ");
        if (plus != NULL)
            *plus = '\0';
    }
    return t->fns[i].name;
}

/* ---- events ----------------------------------------------------------------------------------------- */

static void track_name(struct timeline *t, const struct track *k)
{
    const char *name = k->name;

    if (name[0] == '\0')
        name = k->fn != NULL ? fn_name(t, k->fn) : "goroutine";
    rn__json_text(&t->json, name);
    rn__json_raw(&t->json, " [");
    rn__json_number(&t->json, (int64_t)k->id);
    rn__json_raw(&t->json, "]");
}

/* Up to the name, which is left open. */
static void event_open(struct timeline *t, const char *kind, int process, uint64_t track)
{
    rn__json_raw(&t->json, t->any ? ",\n{\"ph\":\"" : "\n{\"ph\":\"");
    t->any = true;
    rn__json_raw(&t->json, kind);
    rn__json_raw(&t->json, "\",\"pid\":");
    rn__json_number(&t->json, process);
    rn__json_raw(&t->json, ",\"tid\":");
    rn__json_number(&t->json, (int64_t)track);
    rn__json_raw(&t->json, ",\"name\":\"");
}

static void event_time(struct timeline *t, const char *key, int64_t ns)
{
    rn__json_raw(&t->json, key);
    rn__json_us(&t->json, ns);
}

/* name NULL: that of the goroutine.  Gives whether it is there: its arguments and the end are to follow. */
static bool slice_open(struct timeline *t, int process, uint64_t track, const struct track *k,
                       const char *name, int64_t to_ns)
{
    if (t->pass != SLICES || (k->doing != RUNNING && to_ns <= k->since_ns))
        return false;
    event_open(t, "X", process, track);
    if (name != NULL)
        rn__json_text(&t->json, name);
    else
        track_name(t, k);
    event_time(t, "\",\"ts\":", k->since_ns - t->in->begin_ns);
    event_time(t, ",\"dur\":", to_ns - k->since_ns);
    rn__json_raw(&t->json, ",\"args\":{");
    return true;
}

static void slice_close(struct timeline *t)
{
    rn__json_raw(&t->json, "}}");
}

static void arrow_end(struct timeline *t, const char *kind, const char *what, uint64_t track,
                      int64_t ns)
{
    event_open(t, kind, GOROUTINES, track);
    rn__json_raw(&t->json, what);
    rn__json_raw(&t->json, "\",\"cat\":\"");
    rn__json_raw(&t->json, what);
    rn__json_raw(&t->json, "\",\"id\":");
    rn__json_number(&t->json, (int64_t)t->arrows);
    event_time(t, ",\"ts\":", ns - t->in->begin_ns);
    rn__json_raw(&t->json, kind[0] == 'f' ? ",\"bp\":\"e\"}" : "}");
}

static void arrow(struct timeline *t, const char *what, uint64_t from, int64_t from_ns, uint64_t to,
                  int64_t to_ns)
{
    if (t->pass != ARROWS)
        return;
    t->arrows++;
    arrow_end(t, "s", what, from, from_ns);
    arrow_end(t, "f", what, to, to_ns);
}

/* ---- what goroutines do --------------------------------------------------------------------------------- */

static void wait_args(struct timeline *t, const struct track *k)
{
    if (k->chan != 0) {
        rn__json_raw(&t->json, "\"chan\":");
        rn__json_number(&t->json, (int64_t)k->chan);
    }
    if (k->object == 0 || (k->why != RN__WHY_FD && !t->in->addresses))
        return;
    rn__json_raw(&t->json, k->chan != 0 ? ",\"object\":\"" : "\"object\":\"");
    if (k->why == RN__WHY_FD)
        rn__json_number(&t->json, (int64_t)k->object);
    else
        rn__json_hex(&t->json, k->object);
    rn__json_raw(&t->json, "\"");
}

/* until: what ended it; NULL: a record that is missing, since the rings are not copied all at once. */
static void ran(struct timeline *t, const struct track *k, int64_t ns, const char *until)
{
    if (slice_open(t, GOROUTINES, k->id, k, "running", ns)) {
        rn__json_raw(&t->json, "\"worker\":");
        rn__json_number(&t->json, k->worker);
        rn__json_raw(&t->json, ",\"until\":\"");
        rn__json_text(&t->json, until != NULL ? until : "unknown");
        rn__json_raw(&t->json, "\"");
        slice_close(t);
    }
    if (slice_open(t, WORKERS, k->worker + 1, k, NULL, ns))
        slice_close(t);
}

/* It does something else from now on. */
static void turn(struct timeline *t, struct track *k, enum doing doing, int64_t ns,
                 const char *until)
{
    if (k->doing == RUNNING) {
        ran(t, k, ns, until);
    } else if (k->doing == RUNNABLE) {
        if (slice_open(t, GOROUTINES, k->id, k, "runnable", ns))
            slice_close(t);
    } else if (k->doing == WAITING) {
        if (slice_open(t, GOROUTINES, k->id, k, rn__why_text(k->why), ns)) {
            wait_args(t, k);
            slice_close(t);
        }
    }
    k->doing = doing;
    k->since_ns = ns;
}

/* It must be running on this worker; NULL: it is not known. */
static struct track *running(struct timeline *t, uint64_t id, unsigned ring)
{
    struct track *k = track_of(t, id);

    if (k == NULL)
        return NULL;
    if (k->doing == UNKNOWN && ring + 1 < t->in->n_rings) {
        k->doing = RUNNING;
        k->since_ns = t->in->rings[ring].at[0].ns;
        k->worker = ring;
    }
    return k->doing == RUNNING ? k : NULL;
}

static void cause_set(struct timeline *t, struct track *k, uint64_t by, int64_t ns, unsigned ring,
                      const char *what)
{
    if (running(t, by, ring) == NULL)
        return;
    k->cause = by;
    k->cause_ns = ns;
    k->cause_what = what;
}

static void ready(struct timeline *t, struct track *k, const struct rn__record *r, unsigned ring)
{
    cause_set(t, k, r->a, r->ns, ring, r->b != 0 ? "go" : "wake");
    if (k->doing != RUNNABLE) /* who yields is it already */
        turn(t, k, RUNNABLE, r->ns, NULL);
}

static void run(struct timeline *t, struct track *k, const struct rn__record *r, unsigned ring)
{
    if (k->doing == UNKNOWN) { /* since when it is runnable, it says itself */
        k->doing = RUNNABLE;
        k->since_ns = (int64_t)r->a > t->in->begin_ns ? (int64_t)r->a : r->ns;
    }
    turn(t, k, RUNNING, r->ns, NULL);
    k->worker = ring;
    if (k->cause != 0)
        arrow(t, k->cause_what, k->cause, k->cause_ns, k->id, r->ns);
    k->cause = 0;
}

static void leave(struct timeline *t, uint64_t id, const struct rn__record *r, unsigned ring)
{
    unsigned how = RN__TRACE_HOW(r->a);
    struct track *k = running(t, id, ring);

    if (k == NULL)
        return;
    if (how == RN__LEFT_PARKED) {
        k->why = (enum rn__why)RN__TRACE_WHY(r->a);
        k->chan = k->why == RN__WHY_SEND || k->why == RN__WHY_RECV ? RN__TRACE_CHAN(r->a) : 0;
        k->object = r->b;
        turn(t, k, WAITING, r->ns, rn__why_text(k->why));
    } else if (how == RN__LEFT_YIELDED) {
        turn(t, k, RUNNABLE, r->ns, "yield");
    } else {
        turn(t, k, GONE, r->ns, "end");
    }
}

/* It goes on as if it had never waited. */
static void handed(struct timeline *t, struct track *k, const struct rn__record *r, unsigned ring)
{
    if (k->doing != RUNNING)
        cause_set(t, k, r->a, r->ns, ring, "wake");
    else if (running(t, r->a, ring) != NULL)
        arrow(t, "wake", r->a, r->ns, k->id, r->ns);
}

/* k: who sent it, from where he waits if another does it for him. */
static void push(struct timeline *t, const struct track *k, const struct rn__record *r)
{
    struct element *e = element_of(t, r->a, r->b);

    e->who = k != NULL && k->doing != UNKNOWN ? k->id : 0;
    e->ns = r->ns;
}

static void pop(struct timeline *t, uint64_t who, const struct rn__record *r, unsigned ring)
{
    struct element *e = element_of(t, r->a, r->b);

    if (e->who != 0 && running(t, who, ring) != NULL)
        arrow(t, "element", e->who, e->ns, who, r->ns);
    e->who = 0;
}

static void name_part(struct track *k, const struct rn__record *r, size_t at)
{
    memcpy(k->name + at, &r->a, 8);
    memcpy(k->name + at + 8, &r->b, 8);
    k->name[RN__NAME_MAX - 1] = '\0';
}

static void named(struct timeline *t, uint64_t id, enum rn__trace_what what,
                  const struct rn__record *r)
{
    struct track *k = track_of(t, id);

    if (k == NULL)
        return;
    if (what == RN__TRACE_NAME)
        name_part(k, r, 0);
    else if (what == RN__TRACE_NAME_ON)
        name_part(k, r, 16);
    else if (what == RN__TRACE_READY && r->b != 0)
        k->fn = (const void *)(uintptr_t)r->b;
    else if (what == RN__TRACE_LEAVE && RN__TRACE_HOW(r->a) != RN__LEFT_PARKED)
        k->fn = (const void *)(uintptr_t)r->b;
}

static void happened(struct timeline *t, const struct rn__record *r, unsigned ring)
{
    uint64_t id = r->who & (UINT64_MAX >> 8);
    enum rn__trace_what what = (enum rn__trace_what)(r->who >> 56);
    struct track *k = track_of(t, id);

    if (t->pass == NAMES)
        named(t, id, what, r);
    else if (what == RN__TRACE_PUSH)
        push(t, running(t, id, ring), r);
    else if (what == RN__TRACE_PUSHED)
        push(t, k, r);
    else if (what == RN__TRACE_POP)
        pop(t, id, r, ring);
    else if (k == NULL)
        return;
    else if (what == RN__TRACE_READY)
        ready(t, k, r, ring);
    else if (what == RN__TRACE_RUN)
        run(t, k, r, ring);
    else if (what == RN__TRACE_LEAVE)
        leave(t, id, r, ring);
    else if (what == RN__TRACE_HANDED)
        handed(t, k, r, ring);
}

/* ---- passes ------------------------------------------------------------------------------------------------ */

/* The ring whose next record is the oldest; n_rings: there is none. */
static unsigned oldest(const struct timeline *t)
{
    unsigned found = t->in->n_rings;

    for (unsigned i = 0; i < t->in->n_rings; i++) {
        const struct rn__ring *ring = &t->in->rings[i];

        if (t->next[i] < ring->n &&
            (found == t->in->n_rings ||
             ring->at[t->next[i]].ns < t->in->rings[found].at[t->next[found]].ns))
            found = i;
    }
    return found;
}

static void go_through(struct timeline *t, enum pass pass)
{
    unsigned ring;

    t->pass = pass;
    memset(t->next, 0, t->in->n_rings * sizeof *t->next);
    for (size_t i = 0; i < t->n_tracks; i++) {
        t->tracks[i].doing = UNKNOWN;
        t->tracks[i].cause = 0;
    }
    while ((ring = oldest(t)) < t->in->n_rings)
        happened(t, &t->in->rings[ring].at[t->next[ring]++], ring);
    for (size_t i = 0; i < t->n_tracks; i++)
        turn(t, &t->tracks[i], GONE, t->in->end_ns, "the trace's end");
}

static void living_name(struct rn__g *g, void *arg)
{
    struct timeline *t = arg;
    size_t i = track_place(t, g->id);
    struct track *k;

    if (t->index[i] == 0)
        return; /* it did nothing in the meantime */
    k = &t->tracks[t->index[i] - 1];
    memcpy(k->name, g->name, sizeof k->name);
    k->fn = (const void *)(uintptr_t)g->fn;
}

static void name_event(struct timeline *t, int process, uint64_t track, const char *what)
{
    event_open(t, "M", process, track);
    rn__json_raw(&t->json, what);
    rn__json_raw(&t->json, "\",\"args\":{\"name\":\"");
}

static void names(struct timeline *t)
{
    name_event(t, GOROUTINES, 0, "process_name");
    rn__json_raw(&t->json, "goroutines\"}}");
    if (t->in->dropped > 0) {
        event_open(t, "M", GOROUTINES, 0);
        rn__json_raw(&t->json, "process_labels\",\"args\":{\"labels\":\"");
        rn__json_number(&t->json, (int64_t)t->in->dropped);
        rn__json_raw(&t->json, " older records were dropped\"}}");
    }
    for (size_t i = 0; i < t->n_tracks; i++) {
        name_event(t, GOROUTINES, t->tracks[i].id, "thread_name");
        track_name(t, &t->tracks[i]);
        rn__json_raw(&t->json, "\"}}");
    }
    name_event(t, WORKERS, 0, "process_name");
    rn__json_raw(&t->json, "workers\"}}");
    for (unsigned i = 0; i + 1 < t->in->n_rings; i++) {
        if (t->in->rings[i].n == 0)
            continue; /* a stand-in that was not needed */
        name_event(t, WORKERS, i + 1, "thread_name");
        rn__json_raw(&t->json, "worker ");
        rn__json_number(&t->json, i);
        rn__json_raw(&t->json, "\"}}");
    }
}

static uint64_t records(const struct rn__timeline *t)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < t->n_rings; i++)
        n += t->rings[i].n;
    return n;
}

static int write_all(struct timeline *t, int fd)
{
    rn__json_init(&t->json, fd);
    rn__json_raw(&t->json, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"records\":");
    rn__json_number(&t->json, (int64_t)records(t->in));
    rn__json_raw(&t->json, ",\"dropped\":");
    rn__json_number(&t->json, (int64_t)t->in->dropped);
    rn__json_raw(&t->json, "},\"traceEvents\":[");
    go_through(t, NAMES);
    if (t->in->names)
        rn__each_g(living_name, t);
    names(t);
    go_through(t, SLICES);
    go_through(t, ARROWS);
    rn__json_raw(&t->json, "\n]}\n");
    return rn__json_end(&t->json);
}

int rn__timeline_write(const struct rn__timeline *in, int fd)
{
    size_t n = (size_t)records(in) * 2 + 1, buckets = 64, size;
    struct timeline *t;
    char *at;
    int rc;

    while (buckets < 2 * n)
        buckets *= 2;
    size = sizeof *t + in->n_rings * sizeof *t->next + n * sizeof *t->tracks +
           buckets * (sizeof *t->elements + sizeof *t->index);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
              0);
    if (at == MAP_FAILED)
        return -ENOMEM;
    t = (struct timeline *)(void *)at;
    t->in = in;
    t->mask = buckets - 1;
    t->tracks = (struct track *)(t + 1);
    t->elements = (struct element *)(t->tracks + n);
    t->next = (size_t *)(t->elements + buckets);
    t->index = (uint32_t *)(t->next + in->n_rings);
    rc = write_all(t, fd);
    munmap(at, size);
    return rc;
}
