/* goroutine.c - goroutines and nodes as Reports and Answers say them: read and written.   SPDX-License-Identifier: MIT
 *
 * What a node reports the broker hands on without looking into it; so whatever can be read here can be written here: a
 * Report is small enough that its goroutines fit into an Answer beside what is said of their node. */
#include "proto/codec.h"
#include "proto/limits.h"

#include <errno.h>
#include <string.h>

_Static_assert(WIRE_OUTSIDE == (int)RUNNEL__DOING__OUTSIDE, "wire.h and runnel.proto agree");
_Static_assert(WIRE_LEFT == (int)RUNNEL__VOICE__LEFT, "wire.h and runnel.proto agree");
_Static_assert(WIRE_REPORT_MAX + 3 * WIRE_TEXT_MAX + 256 < WIRE_ENVELOPE_MAX,
               "what a Report says fits into an Answer");

/* ---- reading --------------------------------------------------------------------------------- */

static int waits_read(struct wire_goroutine *to, const Runnel__GoroutineInfo *pb, struct arena *a)
{
    struct wire_wait *waits;
    int rc = 0;

    if (pb->n_wait == 0)
        return 0;
    if (pb->n_wait > WIRE_WAITS_MAX)
        return -EPROTO;
    waits = arena_alloc(a, pb->n_wait * sizeof *waits);
    if (waits == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_wait && rc == 0; i++) {
        waits[i].direction = (enum wire_direction)pb->wait[i]->direction;
        rc = direction_valid((int)pb->wait[i]->direction)
                 ? text_read(&waits[i].channel, pb->wait[i]->channel, WIRE_NAME_MAX)
                 : -EPROTO;
    }
    to->waits = waits;
    to->n_waits = (uint32_t)pb->n_wait;
    return rc;
}

static int goroutine_read(struct wire_goroutine *to, const Runnel__GoroutineInfo *pb,
                          struct arena *a)
{
    int rc;

    *to = (struct wire_goroutine){
        .id = pb->id,
        .doing = (enum wire_doing)pb->doing,
        .system = pb->system,
        .waited_ms = pb->waited_ms,
        .sends = pb->sends,
        .receives = pb->receives,
    };
    if ((int)pb->doing < WIRE_RUNNING || (int)pb->doing > WIRE_OUTSIDE)
        return -EPROTO;
    rc = text_read(&to->name, pb->name, WIRE_TEXT_MAX);
    if (rc == 0)
        rc = text_read(&to->why, pb->why, WIRE_TEXT_MAX);
    if (rc == 0)
        rc = text_read(&to->stack, pb->stack, WIRE_STACK_MAX);
    return rc < 0 ? rc : waits_read(to, pb, a);
}

static int goroutines_read(const struct wire_goroutine **to, uint32_t *n_to,
                           Runnel__GoroutineInfo *const *pb, size_t n, struct arena *a)
{
    struct wire_goroutine *all;
    int rc = 0;

    if (n == 0)
        return 0;
    all = arena_alloc(a, n * sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = goroutine_read(&all[i], pb[i], a);
    *to = all;
    *n_to = (uint32_t)n;
    return rc;
}

int report_read(struct wire_control *c, const Runnel__Report *pb, struct arena *a)
{
    int rc;

    c->bind = pb->id;
    c->report.pid = pb->pid;
    c->report.last = pb->last;
    if (runnel__report__get_packed_size(pb) > WIRE_REPORT_MAX)
        return -EPROTO;
    rc = text_read(&c->report.host, pb->host, WIRE_TEXT_MAX);
    return rc < 0 ? rc
                  : goroutines_read(&c->report.goroutines, &c->report.n_goroutines, pb->goroutine,
                                    pb->n_goroutine, a);
}

static int node_read(struct wire_node_info *to, const Runnel__NodeInfo *pb, struct arena *a)
{
    int rc;

    *to = (struct wire_node_info){
        .session = pb->session,
        .pid = pb->pid,
        .voice = (enum wire_voice)pb->voice,
        .heard_ms = pb->heard_ms,
        .connected = pb->connected,
        .sends = pb->sends,
        .receives = pb->receives,
        .last = pb->last,
    };
    if ((int)pb->voice < WIRE_ANSWERED || (int)pb->voice > WIRE_LEFT)
        return -EPROTO;
    rc = text_read(&to->name, pb->name, WIRE_TEXT_MAX);
    if (rc == 0)
        rc = text_read(&to->host, pb->host, WIRE_TEXT_MAX);
    return rc < 0 ? rc
                  : goroutines_read(&to->goroutines, &to->n_goroutines, pb->goroutine,
                                    pb->n_goroutine, a);
}

int nodes_read(struct wire_control *c, const Runnel__Answer *pb, struct arena *a)
{
    struct wire_node_info *nodes;
    int rc = 0;

    if (pb->n_node == 0)
        return 0;
    nodes = arena_alloc(a, pb->n_node * sizeof *nodes);
    if (nodes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_node && rc == 0; i++)
        rc = node_read(&nodes[i], pb->node[i], a);
    c->answer.nodes = nodes;
    c->answer.n_nodes = (uint32_t)pb->n_node;
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The string, cut to max bytes between characters; the copy, if one is needed, lies in the arena.  NULL: no memory. */
static char *text_cut(const char *s, size_t max, struct arena *a)
{
    size_t len = s == NULL ? 0 : strnlen(s, max + 1);
    char *copy;

    if (len == 0)
        return (char *)protobuf_c_empty_string;
    if (len <= max)
        return (char *)s;
    len = max;
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
        len--;
    copy = arena_alloc(a, len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

static int waits_write(Runnel__GoroutineInfo *pb, const struct wire_goroutine *from,
                       struct arena *a)
{
    uint32_t n = from->n_waits < WIRE_WAITS_MAX ? from->n_waits : WIRE_WAITS_MAX;
    Runnel__WaitInfo *waits;

    if (n == 0)
        return 0;
    pb->wait = arena_alloc(a, n * sizeof *pb->wait);
    waits = arena_alloc(a, n * sizeof *waits);
    if (pb->wait == NULL || waits == NULL)
        return -ENOMEM;
    pb->n_wait = n;
    for (uint32_t i = 0; i < n; i++) {
        runnel__wait_info__init(&waits[i]);
        waits[i].direction = (Runnel__Direction)from->waits[i].direction;
        waits[i].channel = text_cut(from->waits[i].channel, WIRE_NAME_MAX, a);
        if (waits[i].channel == NULL)
            return -ENOMEM;
        pb->wait[i] = &waits[i];
    }
    return 0;
}

static int goroutine_write(Runnel__GoroutineInfo *pb, const struct wire_goroutine *from,
                           struct arena *a)
{
    runnel__goroutine_info__init(pb);
    pb->id = from->id;
    pb->doing = (Runnel__Doing)from->doing;
    pb->system = from->system;
    pb->waited_ms = from->waited_ms;
    pb->sends = from->sends;
    pb->receives = from->receives;
    pb->name = text_cut(from->name, WIRE_TEXT_MAX, a);
    pb->why = text_cut(from->why, WIRE_TEXT_MAX, a);
    pb->stack = text_cut(from->stack, WIRE_STACK_MAX, a);
    if (pb->name == NULL || pb->why == NULL || pb->stack == NULL)
        return -ENOMEM;
    return waits_write(pb, from, a);
}

static int goroutines_write(Runnel__GoroutineInfo ***to, size_t *n_to,
                            const struct wire_goroutine *from, uint32_t n, struct arena *a)
{
    Runnel__GoroutineInfo *all;
    int rc = 0;

    if (n == 0)
        return 0;
    *to = arena_alloc(a, n * sizeof **to);
    all = arena_alloc(a, n * sizeof *all);
    if (*to == NULL || all == NULL)
        return -ENOMEM;
    *n_to = n;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        (*to)[i] = &all[i];
        rc = goroutine_write(&all[i], &from[i], a);
    }
    return rc;
}

static int report_write(Runnel__Report *pb, const struct wire_control *c, struct arena *a)
{
    pb->id = c->bind;
    pb->pid = c->report.pid;
    pb->last = c->report.last;
    pb->host = text_cut(c->report.host, WIRE_TEXT_MAX, a);
    if (pb->host == NULL)
        return -ENOMEM;
    return goroutines_write(&pb->goroutine, &pb->n_goroutine, c->report.goroutines,
                            c->report.n_goroutines, a);
}

int report_append(struct control_buffer *b, const struct wire_control *c, Runnel__Control *pb)
{
    Runnel__Report m = RUNNEL__REPORT__INIT;
    struct arena a;
    int rc = arena_init(&a, 4096, SIZE_MAX);

    if (rc < 0)
        return rc;
    pb->report = &m;
    rc = report_write(&m, c, &a);
    if (rc == 0 && runnel__report__get_packed_size(&m) > WIRE_REPORT_MAX)
        rc = -EMSGSIZE;
    if (rc == 0)
        rc = control_pack(b, pb);
    arena_fini(&a);
    return rc;
}

static int node_write(Runnel__NodeInfo *pb, const struct wire_node_info *from, struct arena *a)
{
    runnel__node_info__init(pb);
    pb->session = from->session;
    pb->pid = from->pid;
    pb->voice = (Runnel__Voice)from->voice;
    pb->heard_ms = from->heard_ms;
    pb->connected = from->connected;
    pb->sends = from->sends;
    pb->receives = from->receives;
    pb->last = from->last;
    pb->name = text_cut(from->name, WIRE_TEXT_MAX, a);
    pb->host = text_cut(from->host, WIRE_TEXT_MAX, a);
    if (pb->name == NULL || pb->host == NULL)
        return -ENOMEM;
    return goroutines_write(&pb->goroutine, &pb->n_goroutine, from->goroutines, from->n_goroutines,
                            a);
}

int nodes_write(Runnel__Answer *pb, const struct wire_control *c, struct arena *a)
{
    uint32_t n = c->answer.n_nodes;
    Runnel__NodeInfo *all;
    int rc = 0;

    if (n == 0)
        return 0;
    pb->node = arena_alloc(a, n * sizeof *pb->node);
    all = arena_alloc(a, n * sizeof *all);
    if (pb->node == NULL || all == NULL)
        return -ENOMEM;
    pb->n_node = n;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        pb->node[i] = &all[i];
        rc = node_write(&all[i], &c->answer.nodes[i], a);
    }
    return rc;
}

/* ---- sizes ------------------------------------------------------------------------------------- */

#define TEXT_HEAD      4  /* tag and length of a string or a message, at most */
#define GOROUTINE_HEAD 40 /* all else of a goroutine */
#define WAIT_HEAD      8

static size_t text_size(const char *s, size_t max)
{
    return TEXT_HEAD + (s == NULL ? 0 : strnlen(s, max));
}

size_t goroutine_size(const struct wire_goroutine *g)
{
    size_t size = GOROUTINE_HEAD + text_size(g->name, WIRE_TEXT_MAX) +
                  text_size(g->why, WIRE_TEXT_MAX) + text_size(g->stack, WIRE_STACK_MAX);

    for (uint32_t i = 0; i < g->n_waits && i < WIRE_WAITS_MAX; i++)
        size += WAIT_HEAD + text_size(g->waits[i].channel, WIRE_NAME_MAX);
    return size;
}
