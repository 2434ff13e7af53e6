/* nodes.c - what nodes say about their goroutines, kept and put into words.   SPDX-License-Identifier: MIT
 *
 * The answers are borrowed while they are told, so each is copied with all that it points to.  Pieces of one node are put
 * together by its session, because several nodes may have one name. */
#include "node/ctl/nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/node.h"

/* ---- keeping ---- */

static void goroutine_free(struct wire_goroutine *g)
{
    for (uint32_t i = 0; i < g->n_waits; i++)
        free((void *)(uintptr_t)g->waits[i].channel);
    free((void *)(uintptr_t)g->waits);
    free((void *)(uintptr_t)g->name);
    free((void *)(uintptr_t)g->why);
    free((void *)(uintptr_t)g->stack);
}

static char *copy(const char *text)
{
    char *own = strdup(text);
    return own ? ctl_clean(own) : NULL;
}

/* The lines of a stack stay lines. */
static char *copy_lines(const char *text)
{
    char *own = strdup(text);

    for (char *at = own, *end; at && *at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end = '\0';
        ctl_clean(at);
        if (!end)
            break;
        *end++ = '\n';
    }
    return own;
}

static int goroutine_copy(struct wire_goroutine *out, const struct wire_goroutine *in)
{
    struct wire_wait *waits = calloc(in->n_waits + 1, sizeof *waits);

    *out = *in;
    out->n_waits = 0;
    out->waits = waits;
    out->name = copy(in->name);
    out->why = copy(in->why);
    out->stack = copy_lines(in->stack);
    if (!waits || !out->name || !out->why || !out->stack)
        goto fail;
    for (uint32_t i = 0; i < in->n_waits; i++) {
        waits[i] = (struct wire_wait){ copy(in->waits[i].channel), in->waits[i].direction };
        if (!waits[i].channel)
            goto fail;
        out->n_waits++;
    }
    return 0;
fail:
    goroutine_free(out);
    return -ENOMEM;
}

/* Room for `more` in a growing array.  0 or -ENOMEM. */
static int grow(void **array, size_t *room, size_t n, size_t more, size_t size)
{
    size_t want = *room;
    void *grown;

    while (want < n + more)
        want = want ? want * 2 : 16;
    if (want == *room)
        return 0;
    grown = realloc(*array, want * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = want;
    return 0;
}

/* Where what the node says is kept; NULL: no memory. */
static struct told *told_of(struct nodes *ns, const struct wire_node_info *info)
{
    struct told *t;

    /* The newest first: pieces of one node follow one another. */
    for (size_t i = ns->n; i-- > 0;)
        if (ns->told[i].info.session == info->session)
            return &ns->told[i];
    if (grow((void **)&ns->told, &ns->room, ns->n, 1, sizeof *ns->told) < 0)
        return NULL;
    t = &ns->told[ns->n];
    *t = (struct told){ .info = *info };
    t->info.goroutines = NULL;
    t->info.n_goroutines = 0;
    t->info.name = copy(info->name);
    t->info.host = NULL;
    if (!t->info.name)
        return NULL;
    ns->n++;
    return t;
}

static int told_add(struct told *t, const struct wire_node_info *info)
{
    t->info.voice = info->voice;
    t->info.heard_ms = info->heard_ms;
    t->info.connected = info->connected;
    t->info.last = info->last;
    if (!t->info.host && info->host[0]) {
        t->info.pid = info->pid;
        t->info.host = copy(info->host);
        if (!t->info.host)
            return -ENOMEM;
    }
    if (grow((void **)&t->goroutine, &t->room, t->n, info->n_goroutines, sizeof *t->goroutine) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < info->n_goroutines; i++) {
        int rc = goroutine_copy(&t->goroutine[t->n], &info->goroutines[i]);

        if (rc < 0)
            return rc;
        t->n++;
    }
    return 0;
}

static void keep(void *arg, const struct wire_node_info *info)
{
    struct nodes *ns = arg;
    struct told *t;

    if (ns->error < 0)
        return;
    t = told_of(ns, info);
    ns->error = t ? told_add(t, info) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    const struct told *left = a, *right = b;
    int order = strcmp(left->info.name, right->info.name);

    if (order == 0 && left->info.session != right->info.session)
        order = left->info.session < right->info.session ? -1 : 1;
    return order;
}

int nodes_ask(struct nodes *ns, rn_node *node, enum wire_want want, const char *name,
              const struct ctl_opts *opts)
{
    char why[1100] = "";
    int rc;

    *ns = (struct nodes){ 0 };
    rc = rn__node_inspect(node, want, name, keep, ns, opts->wait_ns);
    if (rc >= 0)
        rc = ns->error;
    if (ns->n > 1)
        qsort(ns->told, ns->n, sizeof *ns->told, by_name);
    if (rc >= 0)
        return CTL_OK;
    if (rc == RN_ECANCELED)
        return CTL_FAILED;
    if (rc == RN_ETIMEDOUT)
        return ctl_say("the broker at %s did not answer (waited %.3g s)", opts->broker,
                       (double)opts->wait_ns / (double)RN_SEC);
    rn__node_why(NULL, why, sizeof why);
    return ctl_say("cannot ask the broker at %s about goroutines: %s", opts->broker,
                   *why ? why : rn_strerror(rc));
}

void nodes_free(struct nodes *ns)
{
    for (size_t i = 0; i < ns->n; i++) {
        for (size_t k = 0; k < ns->told[i].n; k++)
            goroutine_free(&ns->told[i].goroutine[k]);
        free(ns->told[i].goroutine);
        free((void *)(uintptr_t)ns->told[i].info.name);
        free((void *)(uintptr_t)ns->told[i].info.host);
    }
    free(ns->told);
    *ns = (struct nodes){ 0 };
}

/* ---- in words ---- */

void print_node(const struct wire_node_info *info)
{
    printf("node %s", info->name);
    if (info->host)
        printf(" (pid %" PRIu32 " on %s)", info->pid, info->host);
}

void print_duration(uint64_t ms)
{
    if (ms < 1000)
        printf("%" PRIu64 " ms", ms);
    else if (ms < 60 * 1000)
        printf("%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms % 1000 / 100);
    else if (ms < 3600 * 1000)
        printf("%" PRIu64 " min %" PRIu64 " s", ms / 60000, ms % 60000 / 1000);
    else
        printf("%" PRIu64 " h %" PRIu64 " min", ms / 3600000, ms % 3600000 / 60000);
}

void print_silence(const struct wire_node_info *info)
{
    if (info->voice == WIRE_ANSWERED)
        return;
    if (info->voice == WIRE_LEFT)
        printf("left before it had answered");
    else if (info->connected)
        printf("gave no answer for 1 s: it is frozen or very busy; the broker last heard of it ");
    else
        printf("gave no answer for 1 s: it is cut off; the broker last heard of it ");
    if (info->voice == WIRE_SILENT) {
        print_duration(info->heard_ms);
        printf(" ago");
    }
}

static void print_wait(const struct wire_wait *w)
{
    printf("%s %s", w->direction == WIRE_OUT ? "to send to" : "to receive from", w->channel);
}

static void print_waits(const struct wire_goroutine *g)
{
    bool is_select = strcmp(g->why, "select") == 0;

    if (g->n_waits == 0) {
        printf("waits (%s)", g->why);
        return;
    }
    printf("waits%s ", is_select ? " in a select," : "");
    for (uint32_t i = 0; i < g->n_waits; i++) {
        if (i > 0)
            printf(i + 1 < g->n_waits ? ", " : " or ");
        print_wait(&g->waits[i]);
    }
}

void print_doing(const struct wire_goroutine *g)
{
    switch (g->doing) {
    case WIRE_RUNNING:
        printf("runs");
        return;
    case WIRE_RUNNABLE:
        printf("is about to run");
        return;
    case WIRE_WAITING:
        print_waits(g);
        printf(", for ");
        print_duration(g->waited_ms);
        return;
    case WIRE_ENDED:
        printf("has ended");
        return;
    case WIRE_OUTSIDE:
        if (g->n_waits > 0)
            print_waits(g);
        else
            printf("cannot be seen");
        return;
    }
}

/* Does the line name this function? */
static bool names(const char *line, const char *function)
{
    size_t len = strlen(function);

    return strncmp(line, function, len) == 0 && (line[len] == '+' || line[len] == ' ');
}

static bool is_public(const char *line)
{
    return strncmp(line, "rn_", 3) == 0 && line[3] != '_';
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : line + strlen(line);
}

/* How the library waits, whoever waits. */
static bool is_inside(const char *line)
{
    size_t len = strcspn(line, "\n");

    return strncmp(line, "rn__", 4) == 0 || names(line, "park") || names(line, "operate") ||
           memmem(line, len, "(librunnel.", 11) != NULL;
}

/* The call by which it waits, if that left a frame; else what is above all that the library does; else everything. */
static const char *first_line(const char *stack)
{
    const char *line;

    for (line = stack; *line; line = next_line(line))
        if (is_public(line))
            return line;
    for (line = stack; *line && is_inside(line);)
        line = next_line(line);
    return *line ? line : stack;
}

void print_stack(const struct wire_goroutine *g, const char *indent, bool all)
{
    const char *line = all ? g->stack : first_line(g->stack);

    if (!*line && g->doing == WIRE_RUNNING)
        printf("%swhere it runs cannot be seen without stopping it\n", indent);
    for (; *line; line = next_line(line)) {
        if (!all && line != g->stack &&
            (names(line, "g_main") || names(line, "first_main") || names(line, "rn__ctx_entry")))
            break;
        printf("%s%.*s\n", indent, (int)strcspn(line, "\n"), line);
    }
}
