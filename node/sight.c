/* sight.c - what a node sees of its goroutines; see sight.h.   SPDX-License-Identifier: MIT
 *
 * Three sorts, one after the other: the goroutines of the roster, those that have used the channel and are gone, and plain
 * threads, of which the runtime knows nothing but that they wait.  A piece ends where the next one would not fit; what did
 * not fit is made again for the next piece. */
#include "node/sight.h"

#include "node/op.h"
#include "node/users.h"
#include "proto/arena.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "runtime/roster.h"
#include "runtime/symbol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_HEAD 512  /* what a Report takes beside its goroutines */
#define SYMBOL_MAX  160  /* bytes of a function's name with its file */
#define OUTSIDE_MAX 64   /* threads that are listed one by one */
#define QUEUE_MAX   1000 /* operations that are looked at under the lock */

/* A handle: the name of a channel. */
struct subject {
    struct handle *handle; /* a reference, and one to its channel */
    bool wanted;
};

/* What the last goroutines were to operate on what is asked about. */
struct user {
    uint64_t id;
    bool dir[2]; /* by enum rn_dir */
};

struct symbol {
    const void *pc;
    UT_hash_handle hh;
    char text[SYMBOL_MAX];
};

enum phase { PHASE_SEEN, PHASE_ENDED, PHASE_OUTSIDE, PHASE_OVER };
struct place {
    enum phase phase;
    size_t at;
};

struct sight {
    char channel[WIRE_NAME_MAX + 1];
    char host[256];
    uint64_t skip;            /* the id of who looks */
    struct subject *subjects; /* ascending by channel once `looked` */
    size_t n_subjects, subjects_room;
    struct user *users; /* ascending by id, each once, once `looked` */
    size_t n_users, users_room;
    bool thread[2];      /* a plain thread has used it */
    unsigned threads[2]; /* so many wait now */
    bool looked;         /* the next are set */
    struct rn__roster roster;
    struct place place; /* of what is next */
    struct symbol *symbols;
    struct arena arena; /* of the last piece */
    bool has_arena;
    struct wire_goroutine *goroutines;
    size_t goroutines_room;
};

/* Room for one more in a growing array.  0 or -ENOMEM. */
static int grow(void **array, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return 0;
    size_t more = *room > 0 ? *room * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (grown == NULL)
        return -ENOMEM;
    *array = grown;
    *room = more;
    return 0;
}

/* ---- what there is to look at ---- */

struct sight *sight_new(const char *channel)
{
    struct sight *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    snprintf(s->channel, sizeof s->channel, "%s", channel);
    if (gethostname(s->host, sizeof s->host - 1) < 0)
        s->host[0] = '\0';
    return s;
}

void sight_skip(struct sight *s, uint64_t id)
{
    if (!s->looked)
        s->skip = id;
}

void sight_free(struct sight *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_subjects; i++) {
        rn_chan_unref(s->subjects[i].handle->chan);
        handle_unref(s->subjects[i].handle);
    }
    struct symbol *symbol, *next;
    HASH_ITER(hh, s->symbols, symbol, next) {
        HASH_DEL(s->symbols, symbol);
        free(symbol);
    }
    if (s->has_arena)
        arena_fini(&s->arena);
    rn__roster_drop(&s->roster);
    free(s->subjects);
    free(s->users);
    free(s->goroutines);
    free(s);
}

static int add_users(struct sight *s, struct side *side)
{
    for (int i = 0; i < USERS_MAX; i++) {
        uint64_t id = atomic_load_explicit(&side->users.id[i], memory_order_relaxed);
        if (id == 0)
            continue;
        int rc = grow((void **)&s->users, &s->users_room, s->n_users, sizeof *s->users);
        if (rc < 0)
            return rc;
        s->users[s->n_users] = (struct user){ .id = id };
        s->users[s->n_users++].dir[side->dir] = true;
    }
    return 0;
}

/* The plain threads that wait: no roster knows them. */
static void add_threads(struct sight *s, struct side *side)
{
    if (!atomic_load_explicit(&side->users.thread, memory_order_relaxed))
        return;
    s->thread[side->dir] = true;
    rn_chan *c = side->handle->chan;
    rn__chan_lock(c);
    const struct rn__op *op = rn__chan_first(c, op_of_dir(side->dir));
    for (int i = 0; op != NULL && i < QUEUE_MAX; i++, op = op->next)
        s->threads[side->dir] += op->wait->g == NULL;
    rn__chan_unlock(c);
}

int sight_handle(struct sight *s, struct handle *h)
{
    int rc = grow((void **)&s->subjects, &s->subjects_room, s->n_subjects, sizeof *s->subjects);
    if (rc < 0)
        return rc;
    bool wanted = strcmp(h->name, s->channel) == 0;
    rn_chan_ref(h->chan);
    s->subjects[s->n_subjects++] = (struct subject){ handle_ref(h), wanted };
    for (int dir = 0; dir < 2 && wanted && rc == 0; dir++) {
        add_threads(s, &h->side[dir]);
        rc = add_users(s, &h->side[dir]);
    }
    return rc;
}

/* ---- looking ---- */

static int subject_order(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct subject *)a)->handle->chan;
    uintptr_t y = (uintptr_t)((const struct subject *)b)->handle->chan;
    return (x > y) - (x < y);
}

static int user_order(const void *a, const void *b)
{
    uint64_t x = ((const struct user *)a)->id, y = ((const struct user *)b)->id;
    return (x > y) - (x < y);
}

static void users_unite(struct sight *s)
{
    size_t n = 0;
    if (s->n_users > 0)
        qsort(s->users, s->n_users, sizeof *s->users, user_order);
    for (size_t i = 0; i < s->n_users; i++) {
        struct user user = s->users[i];
        if (n == 0 || s->users[n - 1].id != user.id)
            s->users[n++] = (struct user){ .id = user.id };
        for (int dir = 0; dir < 2; dir++)
            s->users[n - 1].dir[dir] |= user.dir[dir];
    }
    s->n_users = n;
}

static int look(struct sight *s)
{
    int rc = rn__roster_take(&s->roster);
    if (rc < 0)
        return rc;
    if (s->n_subjects > 0)
        qsort(s->subjects, s->n_subjects, sizeof *s->subjects, subject_order);
    users_unite(s);
    s->looked = true;
    return 0;
}

static const struct subject *subject_of(const struct sight *s, const rn_chan *c)
{
    size_t low = 0, high = s->n_subjects;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)s->subjects[middle].handle->chan < (uintptr_t)c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n_subjects && s->subjects[low].handle->chan == c ? &s->subjects[low] : NULL;
}

static const struct user *user_of(const struct sight *s, uint64_t id)
{
    struct user key = { .id = id };
    return s->n_users == 0 ? NULL
                           : bsearch(&key, s->users, s->n_users, sizeof *s->users, user_order);
}

/* ---- one goroutine ---- */

/* What the address is called; asked for once. */
static const char *symbol_of(struct sight *s, const void *pc)
{
    struct symbol *symbol;
    HASH_FIND_PTR(s->symbols, &pc, symbol);
    if (symbol != NULL)
        return symbol->text;
    symbol = malloc(sizeof *symbol);
    if (symbol == NULL)
        return "";
    symbol->pc = pc;
    /* A return address may be the first one of the next function, when the call never returns. */
    rn__symbol_name((const char *)pc - 1, symbol->text, sizeof symbol->text);
    HASH_ADD_PTR(s->symbols, pc, symbol);
    return symbol->text;
}

/* NULL: no memory. */
static const char *stack_text(struct sight *s, const struct rn__frames *f)
{
    size_t len = 0;
    if (f->n == 0)
        return "";
    for (unsigned i = 0; i < f->n; i++)
        len += strlen(symbol_of(s, f->pc[i])) + 1;
    char *text = arena_alloc(&s->arena, len);
    if (text == NULL)
        return NULL;
    char *at = text;
    for (unsigned i = 0; i < f->n; i++) {
        const char *line = symbol_of(s, f->pc[i]);
        size_t n = strlen(line);
        if (at + n + 1 > text + len)
            break; /* there was no memory for its name before, and now there is */
        memcpy(at, line, n);
        at[n] = '\n';
        at += n + 1;
    }
    at[-1] = '\0';
    return text;
}

/* Which named channels it waits in.  true: one of them is what is asked about.  < 0: -ENOMEM. */
static int waits_find(struct sight *s, const struct rn__seen *seen, struct wire_goroutine *g)
{
    bool found = false;
    if (seen->n_cases == 0)
        return false;
    struct wire_wait *waits = arena_alloc(&s->arena, seen->n_cases * sizeof *waits);
    if (waits == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < seen->n_cases; i++) {
        enum rn_op kind;
        const struct subject *subject = subject_of(s, rn__seen_case(&s->roster, seen, i, &kind));
        if (subject == NULL)
            continue;
        waits[g->n_waits++] = (struct wire_wait){ subject->handle->name,
                                                  kind == RN_SEND ? WIRE_OUT : WIRE_IN };
        found |= subject->wanted;
    }
    g->waits = waits;
    return found;
}

/* What it waits for, for people; channels without a name are told apart by their address, descriptors by their number.
 * NULL: no memory. */
static const char *why_text(struct sight *s, const struct rn__seen *seen, uint32_t n_named)
{
    enum rn__why why = seen->why;
    if (seen->n_cases > 1) {
        why = RN__WHY_SELECT;
    } else if (seen->n_cases == 1) {
        enum rn_op kind;
        rn__seen_case(&s->roster, seen, 0, &kind);
        why = kind == RN_SEND ? RN__WHY_SEND : RN__WHY_RECV;
    }
    const char *text = rn__why_text(why);
    bool fd = why == RN__WHY_FD, local = seen->n_cases == 1 && n_named == 0;
    bool lock = why >= RN__WHY_MUTEX && why <= RN__WHY_ONCE;
    if (!fd && !local && !lock)
        return text;
    size_t size = strlen(text) + 32;
    char *more = arena_alloc(&s->arena, size);
    if (more != NULL && fd)
        snprintf(more, size, "%s %d", text, (int)(intptr_t)seen->object);
    else if (more != NULL)
        snprintf(more, size, "%s %p", text, seen->object);
    return more;
}

static enum wire_doing doing_of(const struct rn__seen *seen)
{
    switch (seen->state) {
    case RN__G_RUNNING:
        return WIRE_RUNNING;
    case RN__G_RUNNABLE:
        return WIRE_RUNNABLE;
    case RN__G_WAITING:
        break;
    }
    return WIRE_WAITING;
}

/* 1, 0: it is not asked about; or -ENOMEM. */
static int describe(struct sight *s, const struct rn__seen *seen, struct wire_goroutine *g)
{
    if (seen->id == s->skip)
        return 0;
    const struct user *user = user_of(s, seen->id);
    *g = (struct wire_goroutine){
        .id = seen->id,
        .name = seen->name,
        .doing = doing_of(seen),
        .system = seen->system,
        .why = "",
        .sends = user != NULL && user->dir[RN_OUT],
        .receives = user != NULL && user->dir[RN_IN],
    };
    int found = waits_find(s, seen, g);
    if (found < 0 || (s->channel[0] != '\0' && !found && user == NULL))
        return found;
    g->stack = stack_text(s, &seen->frames);
    if (g->doing == WIRE_WAITING) {
        g->why = why_text(s, seen, g->n_waits);
        g->waited_ms = seen->seen_ns > seen->since_ns
                           ? (uint64_t)(seen->seen_ns - seen->since_ns) / RN_MS
                           : 0;
    }
    return g->stack != NULL && g->why != NULL ? 1 : -ENOMEM;
}

/* ---- one after the other ---- */

static bool describe_ended(const struct sight *s, const struct user *user, struct wire_goroutine *g)
{
    if (rn__roster_find(&s->roster, user->id) != NULL || s->roster.missed > 0)
        return false;
    *g = (struct wire_goroutine){
        .id = user->id,
        .doing = WIRE_ENDED,
        .sends = user->dir[RN_OUT],
        .receives = user->dir[RN_IN],
    };
    return true;
}

/* The at-th thread of a direction: those that wait, or one that has been here. */
static int describe_thread(struct sight *s, enum rn_dir dir, size_t at, struct wire_goroutine *g)
{
    unsigned waiting = s->threads[dir];
    if (!s->thread[dir] || at >= (waiting > 0 ? waiting : 1))
        return 0;
    *g = (struct wire_goroutine){
        .doing = WIRE_OUTSIDE,
        .sends = dir == RN_OUT,
        .receives = dir == RN_IN,
    };
    if (waiting == 0)
        return 1;
    struct wire_wait *wait = arena_alloc(&s->arena, sizeof *wait);
    if (wait == NULL)
        return -ENOMEM;
    *wait = (struct wire_wait){ s->channel, dir == RN_OUT ? WIRE_OUT : WIRE_IN };
    g->waits = wait;
    g->n_waits = 1;
    return 1;
}

/* What is at the place, which moves on: 1; 0: nothing that is asked about; -ENOMEM. */
static int describe_next(struct sight *s, struct wire_goroutine *g)
{
    struct place *p = &s->place;
    size_t at = p->at++;
    switch (p->phase) {
    case PHASE_SEEN:
        if (at < s->roster.n)
            return describe(s, &s->roster.seen[at], g);
        break;
    case PHASE_ENDED:
        if (at < s->n_users)
            return describe_ended(s, &s->users[at], g);
        break;
    case PHASE_OUTSIDE:
        if (at < 2 * OUTSIDE_MAX)
            return describe_thread(s, at < OUTSIDE_MAX ? RN_IN : RN_OUT, at % OUTSIDE_MAX, g);
        break;
    case PHASE_OVER:
        return 0;
    }
    *p = (struct place){ .phase = p->phase + 1 };
    return 0;
}

/* Fills the report's goroutines until one does not fit or all are told. */
static int fill(struct sight *s, struct wire_control *c)
{
    size_t n = 0, size = REPORT_HEAD + strlen(s->host);
    while (s->place.phase != PHASE_OVER) {
        int rc = grow((void **)&s->goroutines, &s->goroutines_room, n, sizeof *s->goroutines);
        struct place before = s->place;
        if (rc == 0)
            rc = describe_next(s, &s->goroutines[n]);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        size += goroutine_size(&s->goroutines[n]);
        if (n > 0 && size > WIRE_REPORT_MAX) {
            s->place = before;
            break;
        }
        n++;
    }
    c->report.goroutines = s->goroutines;
    c->report.n_goroutines = (uint32_t)n;
    c->report.last = s->place.phase == PHASE_OVER;
    return 0;
}

int sight_report(struct sight *s, struct wire_control *report)
{
    int rc = s->looked ? 0 : look(s);
    if (rc < 0)
        return rc;
    if (s->has_arena)
        arena_fini(&s->arena);
    rc = arena_init(&s->arena, WIRE_REPORT_MAX, SIZE_MAX);
    s->has_arena = rc == 0;
    if (rc < 0)
        return rc;
    report->report.host = s->host;
    report->report.pid = (uint32_t)getpid();
    return fill(s, report);
}
