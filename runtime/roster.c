/* roster.c - see roster.h.   SPDX-License-Identifier: MIT
 *
 * The copy is mapped, not allocated, because the heap may be what is broken; the room for cases is that of the worst case,
 * and pages that nobody touches cost nothing.
 *
 * A goroutine does not end while it is visited, so its stack can be read; it may be woken meanwhile, so
 * what is read there counts only if it was parked before and after, by the same park.  Until that is known what was read may
 * be anything: every address is checked against the bounds of the stack before it is followed. */
#include "runtime/roster.h"

#include "runtime/chan.h"
#include "runtime/sched.h"
#include "runtime/state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define CASES_MAX 64 /* of a select: it takes no more */
#define MARGIN    64 /* so many may start while we count */

/* ---- what lies on the stack of another -------------------------------------------------------------------- */

/* Parked, and no more on its way there: what its context says is true. */
static bool is_parked(const struct rn__g *g)
{
    return atomic_load(&g->token) == 2;
}

/* The frame that rn__ctx_switch has made on the stack of who does not run. */
static uintptr_t saved_frame(const struct rn__ctx *ctx)
{
#if defined(__x86_64__)
    return (uintptr_t)ctx->sp + 48; /* above the control words and five registers */
#else
    return (uintptr_t)ctx->sp;
#endif
}

typedef uintptr_t __attribute__((may_alias)) word;

/* Copies whole words that its owner may be changing, and that ASan may have fenced off: both is known here. */
__attribute__((no_sanitize("address", "thread", "undefined"), noinline)) static void words_copy(
    void *to, const volatile void *from, size_t size)
{
    for (size_t i = 0; i < size / sizeof(word); i++)
        ((word *)to)[i] = ((const volatile word *)from)[i];
}

/* false: it does not lie on the stack, and nothing was read. */
static bool stack_read(const struct rn__g *g, void *to, const void *from, size_t size)
{
    uintptr_t at = (uintptr_t)from, low = (uintptr_t)g->stack->low;

    if (at % sizeof(word) != 0 || at < low || size > g->stack->size ||
        at - low > g->stack->size - size)
        return false;
    words_copy(to, from, size);
    return true;
}

static void copy_cases(struct rn__roster *r, struct rn__seen *s, const struct rn__g *g)
{
    const struct rn__wait *at = NULL;
    struct rn__wait wait;
    struct rn__op op;

    _Static_assert(sizeof wait % sizeof(word) == 0, "copied in whole words");
    _Static_assert(sizeof op % sizeof(word) == 0, "copied in whole words");
    words_copy(&at, &g->waiting, sizeof at);
    if (!stack_read(g, &wait, at, sizeof wait))
        return;
    for (int i = 0; i < wait.n_ops && i < CASES_MAX; i++) {
        if (!stack_read(g, &op, wait.ops + i, sizeof op))
            return;
        r->cases[s->first_case + s->n_cases++] = (uintptr_t)op.chan + (op.kind == RN_SEND);
    }
}

/* ---- copying ----------------------------------------------------------------------------------------------- */

static void copy_wait(struct rn__roster *r, struct rn__seen *s, struct rn__g *g)
{
    uintptr_t low = (uintptr_t)g->stack->low;

    s->state = RN__G_WAITING;
    s->since_ns = atomic_load(&g->since_ns);
    s->why = (enum rn__why)atomic_load(&g->why);
    s->object = atomic_load(&g->object);
    rn__frames_walk(&s->frames, NULL, saved_frame(&g->ctx), low, low + g->stack->size);
    copy_cases(r, s, g);
    /* The fence keeps what was read above before the second look: whoever changed it had been woken before. */
    atomic_thread_fence(memory_order_acquire);
    if (is_parked(g) && atomic_load(&g->since_ns) == s->since_ns)
        return;
    s->state = RN__G_RUNNABLE;
    s->frames.n = 0;
    s->n_cases = 0;
}

static void copy_one(struct rn__g *g, void *arg)
{
    struct rn__roster *r = arg;
    struct rn__seen *s;

    if (r->n == r->room) { /* many have started since they were counted */
        r->missed++;
        return;
    }
    s = &r->seen[r->n++];
    s->g = g;
    s->id = g->id;
    s->seen_ns = rn_now();
    s->state = (enum rn__g_state)atomic_load(&g->state);
    s->why = (enum rn__why)atomic_load(&g->why);
    s->object = atomic_load(&g->object);
    s->since_ns = atomic_load(&g->since_ns);
    s->system = g->system;
    rn__lock(&g->lock);
    memcpy(s->name, g->name, sizeof s->name);
    rn__unlock(&g->lock);
    s->frames.n = 0;
    s->first_case = (uint32_t)r->n_cases;
    s->n_cases = 0;
    if (is_parked(g))
        copy_wait(r, s, g);
    r->n_cases += s->n_cases;
}

/* Heap sort: qsort may allocate. */
static void sift(struct rn__seen *s, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        struct rn__seen swap;

        if (child + 1 < n && s[child + 1].id > s[child].id)
            child++;
        if (s[at].id >= s[child].id)
            return;
        swap = s[at];
        s[at] = s[child];
        s[child] = swap;
    }
}

static void sort(struct rn__seen *s, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(s, i, n);
    for (size_t i = n; i-- > 1;) {
        struct rn__seen swap = s[0];

        s[0] = s[i];
        s[i] = swap;
        sift(s, 0, i);
    }
}

/* ---- the roster ---------------------------------------------------------------------------------------------- */

int rn__roster_take(struct rn__roster *r)
{
    size_t room = (size_t)rn__all() + MARGIN;
    size_t size = room * (sizeof *r->seen + CASES_MAX * sizeof *r->cases);
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        return -ENOMEM;
    *r = (struct rn__roster){ .seen = map, .room = room, .size = size };
    r->cases = (uintptr_t *)(r->seen + room);
    rn__each_g(copy_one, r);
    sort(r->seen, r->n);
    return 0;
}

void rn__roster_drop(struct rn__roster *r)
{
    if (r->seen != NULL)
        munmap(r->seen, r->size);
    *r = (struct rn__roster){ 0 };
}

const rn_chan *rn__seen_case(const struct rn__roster *r, const struct rn__seen *s, uint32_t i,
                             enum rn_op *kind)
{
    uintptr_t c = r->cases[s->first_case + i];

    *kind = c & 1 ? RN_SEND : RN_RECV;
    return (const rn_chan *)(c & ~(uintptr_t)1);
}

const struct rn__seen *rn__roster_find(const struct rn__roster *r, uint64_t id)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->seen[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n && r->seen[low].id == id ? &r->seen[low] : NULL;
}

const char *rn__why_text(enum rn__why why)
{
    switch (why) {
    case RN__WHY_SEND:
        return "chan send";
    case RN__WHY_RECV:
        return "chan receive";
    case RN__WHY_SELECT:
        return "select";
    case RN__WHY_SLEEP:
        return "sleep";
    case RN__WHY_GROUP:
        return "group wait";
    case RN__WHY_FOREVER:
        return "for ever";
    case RN__WHY_MUTEX:
        return "mutex";
    case RN__WHY_RLOCK:
        return "rwmutex (read)";
    case RN__WHY_WLOCK:
        return "rwmutex (write)";
    case RN__WHY_COND:
        return "condition";
    case RN__WHY_WAITGROUP:
        return "wait group";
    case RN__WHY_SEM:
        return "semaphore";
    case RN__WHY_ONCE:
        return "once";
    case RN__WHY_BOUND:
        return "bound chan";
    case RN__WHY_SIGNAL:
        return "signal";
    case RN__WHY_FD:
        return "fd";
    case RN__WHY_BLOCK:
        return "rn_block";
    case RN__WHY_NOTE:
        return "note";
    case RN__WHY_NONE:
        break;
    }
    return "waiting";
}
