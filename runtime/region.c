/* region.c - see region.h.   SPDX-License-Identifier: MIT
 *
 * Invariants: a stack is in one of four places - cold, in a bundle, in use, or lost, with a thread that may still write to
 * it; only of the last two is its slot other than EMPTY.  n_cold counts the first.  What is neither cold nor in its region's
 * future (carved <= index) is a stack whose struct lies at its top. */
#include "runtime/region.h"

#include "runtime/assert.h"
#include "runtime/g.h"
#include "runtime/race.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define REGION_BYTES \
    ((size_t)64 << 20) /* of address space, at most; several of the largest stacks that are kept */
#define STACKS_FIRST 16u /* in the first region of a size, if there is room; later ones double */
#define CARVED_FIRST 4u  /* of a small program's first stacks at a time */
#define TAKE_MAX     64u
#define AT_A_TIME    64u /* visited; whoever wants to end has its turn then */
#define COLOURS      16u /* different offsets of the records, see stack_place() */

enum life { EMPTY, LIVES, VISITED, LOST, KEPT };

struct rn__region {
    char *base;
    size_t stride; /* a stack and the page below it */
    uint32_t count;
    struct rn__regions *of;
    /* Guarded by regions.lock, as the lists that the pointers make: */
    struct rn__region *next;      /* of all */
    struct rn__region *open_next; /* of those of its size that have something to give */
    struct rn__region *dead_next;
    bool open;
    _Atomic uint32_t
        carved; /* so many have been used; visitors read it, relaxed: those that settle later may be missing */
    uint32_t n_cold;
    uint32_t *cold;  /* their numbers */
    uint8_t *guards; /* enum rn__guard of each that was carved; written once, before it is used */
    _Atomic uint8_t life[]; /* enum life */
};

static struct {
    struct rn__lock lock;
    struct rn__region *all; /* guarded by lock */
    struct rn__region
        *dead;         /* unmapped, but somebody may be looking at its table; guarded by lock */
    unsigned visitors; /* guarded by lock */
    _Atomic uint64_t mapped; /* bytes of stacks that are not cold; relaxed: a statistic */
    struct rn__lock
        visit; /* held while somebody's slots are VISITED; comes before the locks of goroutines */
} regions;

static void mapped_add(uint64_t bytes)
{
    atomic_fetch_add_explicit(&regions.mapped, bytes, memory_order_relaxed);
}

static uint32_t carved_of(const struct rn__region *r)
{
    return atomic_load_explicit(&r->carved, memory_order_relaxed); /* see there */
}

/* ---- from birth to end ---------------------------------------------------------------------------------- */

static struct rn__region *region_map(size_t size, size_t count)
{
    size_t stride = size + rn__page_size();
    struct rn__region *r;

    rn__race_hide(); /* one goroutine's, and freed by another */
    r = calloc(1, sizeof *r + count * (1 + 1 + sizeof *r->cold) + sizeof *r->cold);
    rn__race_show();
    if (r == NULL)
        return NULL;
    r->base = mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (r->base == MAP_FAILED) {
        free(r);
        return NULL;
    }
    madvise(r->base, count * stride, MADV_NOHUGEPAGE);
    rn__guard_border(r->base);
    r->stride = stride;
    r->count = (uint32_t)count;
    r->guards = (uint8_t *)(r->life + count);
    r->cold = (uint32_t *)(((uintptr_t)(r->guards + count) + 3) & ~(uintptr_t)3);
    return r;
}

/* The lock is held. */
static void open_push(struct rn__region *r)
{
    if (r->open)
        return;
    r->open = true;
    r->open_next = r->of->open;
    r->of->open = r;
}

static void open_remove(struct rn__region *r)
{
    struct rn__region **at = &r->of->open;

    if (!r->open)
        return;
    while (*at != r)
        at = &(*at)->open_next;
    *at = r->open_next;
    r->open = false;
}

/* The lock is held. */
static void region_list(struct rn__region *r, struct rn__regions *of)
{
    r->of = of;
    of->stacks += r->count;
    r->next = regions.all;
    regions.all = r;
}

/* The lock is held.  As many stacks as there are already, within bounds; fewer, if there is no address space for them. */
static struct rn__region *region_new(struct rn__regions *of)
{
    size_t most = REGION_BYTES / (of->size + rn__page_size()), count = of->stacks;
    struct rn__region *r;

    if (count < STACKS_FIRST)
        count = STACKS_FIRST;
    if (count > most)
        count = most;
    while ((r = region_map(of->size, count)) == NULL && count > 1)
        count /= 2;
    if (r == NULL)
        return NULL;
    region_list(r, of);
    open_push(r);
    return r;
}

static void guards_forget(const struct rn__region *r)
{
    uint32_t carved = atomic_load_explicit(&r->carved, memory_order_relaxed); /* the lock is held */

    for (uint32_t i = 0; i < carved; i++)
        rn__guard_forget((enum rn__guard)r->guards[i], 1);
}

/* The lock is held.  Visitors may still hold the table, and go on from its `next`. */
static void region_end(struct rn__region *r)
{
    struct rn__region **at = &regions.all;

    open_remove(r);
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->of->stacks -= r->count;
    munmap(r->base, r->count * r->stride);
    guards_forget(r);
    if (regions.visitors > 0) {
        r->dead_next = regions.dead;
        regions.dead = r;
    } else {
        rn__race_hide();
        free(r);
        rn__race_show();
    }
}

/* ---- stacks ------------------------------------------------------------------------------------------------ */

/* At the high end, below room for the goroutine's record.  Not always at the same distance: the records of all goroutines would
 * share a few sets of the CPU's caches, whose index is the address within a page. */
static struct rn__stack *stack_place(const struct rn__region *r, uint32_t index)
{
    char *high = r->base + (index + 1) * r->stride - index % COLOURS * 64;

    return (
        struct rn__stack *)((uintptr_t)(high - sizeof(struct rn__g) - sizeof(struct rn__stack)) &
                            ~(uintptr_t)63);
}

static struct rn__stack *stack_make(struct rn__region *r, uint32_t index)
{
    struct rn__stack *s = stack_place(r, index);

    s->size = r->stride - rn__page_size();
    s->low = r->base + (index + 1) * r->stride - s->size;
    s->region = r;
    s->number = r->of->number;
    s->index = index;
    s->guard = r->guards[index];
    if (s->guard == RN__GUARD_CANARY)
        rn__canary_write(s->low);
    return s;
}

/* The lock is held.  Numbers of up to n stacks of r that are nobody's any more; how many of them have no guard yet, or 0. */
static unsigned numbers_take(struct rn__region *r, uint32_t *number, unsigned *n)
{
    uint32_t carved = atomic_load_explicit(&r->carved, memory_order_relaxed); /* the lock is held */
    unsigned got = 0, most = *n;

    while (got < most && r->n_cold > 0)
        number[got++] = r->cold[--r->n_cold];
    *n = got;
    if (got > 0)
        return 0;
    if (most > r->of->carved)
        most = r->of->carved > CARVED_FIRST ? (unsigned)r->of->carved : CARVED_FIRST;
    while (got < most && carved < r->count)
        number[got++] = carved++;
    r->of->carved += got;
    atomic_store_explicit(&r->carved, carved, memory_order_relaxed);
    *n = got;
    return got;
}

struct rn__bundle rn__region_take(struct rn__regions *of, unsigned n)
{
    struct rn__bundle b = { 0 };
    uint32_t number[TAKE_MAX];
    struct rn__region *r;
    unsigned fresh;

    rn_assert(n <= TAKE_MAX);
    rn__lock(&regions.lock);
    r = of->open != NULL ? of->open : region_new(of);
    if (r == NULL) {
        rn__unlock(&regions.lock);
        return b;
    }
    fresh = numbers_take(r, number, &n);
    if (r->n_cold == 0 && carved_of(r) == r->count)
        open_remove(r);
    rn__unlock(&regions.lock);
    mapped_add(n * of->size);
    /* They are in nobody's hands but ours. */
    if (fresh > 0) {
        enum rn__guard kind = rn__guard_install(r->base + number[0] * r->stride, r->stride, fresh);

        for (unsigned i = 0; i < fresh; i++)
            r->guards[number[i]] = (uint8_t)kind;
    }
    while (n > 0) {
        struct rn__stack *s = stack_make(r, number[--n]);

        s->next = b.first;
        b.first = s;
        b.count++;
    }
    return b;
}

struct rn__stack *rn__region_take_alone(size_t size)
{
    static struct rn__regions alone = { .number = RN__STACK_SIZES }; /* guarded by the lock */
    struct rn__region *r = region_map(size, 1);

    if (r == NULL)
        return NULL;
    r->guards[0] = (uint8_t)rn__guard_install(r->base, r->stride, 1);
    atomic_store_explicit(&r->carved, 1, memory_order_relaxed); /* nobody knows it yet */
    rn__lock(&regions.lock);
    region_list(r, &alone);
    rn__unlock(&regions.lock);
    mapped_add(size);
    return stack_make(r, 0);
}

void rn__region_give(struct rn__stack *s)
{
    struct rn__region *r = s->region;
    uint32_t index = s->index;

    mapped_add(-(uint64_t)s->size);
    rn__lock(&regions.lock);
    if (r->n_cold + 1 < carved_of(r)) {
        rn__unlock(&regions.lock);
        madvise(s->low, s->size, MADV_DONTNEED); /* *s is gone */
        rn__lock(&regions.lock);
    }
    r->cold[r->n_cold++] = index;
    if (r->n_cold == carved_of(r))
        region_end(r);
    else
        open_push(r);
    rn__unlock(&regions.lock);
}

void rn__region_keep(const struct rn__stack *s, enum rn__keep why)
{
    /* Relaxed: nobody else runs. */
    atomic_store_explicit(&s->region->life[s->index], why == RN__KEEP_LOST ? LOST : KEPT,
                          memory_order_relaxed);
}

/* Makes all stacks of r cold but those that are kept. */
static void region_cool(struct rn__region *r)
{
    uint32_t carved = carved_of(r), before = r->n_cold, kept = 0;
    size_t size = r->stride - rn__page_size();

    for (uint32_t i = 0; i < carved; i++)
        kept += atomic_load_explicit(&r->life[i], memory_order_relaxed) != EMPTY;
    mapped_add(-(uint64_t)size * (carved - kept - before));
    if (kept == 0) {
        region_end(r);
        return;
    }
    r->n_cold = 0;
    for (uint32_t i = 0; i < carved; i++)
        if (atomic_load_explicit(&r->life[i], memory_order_relaxed) == EMPTY) {
            madvise(r->base + (i + 1) * r->stride - size, size, MADV_DONTNEED);
            r->cold[r->n_cold++] = i;
        } else if (atomic_load_explicit(&r->life[i], memory_order_relaxed) == KEPT) {
            atomic_store_explicit(&r->life[i], EMPTY, memory_order_relaxed);
        }
    if (r->n_cold > 0)
        open_push(r);
}

void rn__region_cool_all(void)
{
    rn__lock(&regions.lock);
    for (struct rn__region *r = regions.all, *next; r != NULL; r = next) {
        next = r->next;
        region_cool(r);
    }
    rn__unlock(&regions.lock);
}

uint64_t rn__region_mapped(void)
{
    return atomic_load_explicit(&regions.mapped, memory_order_relaxed);
}

const char *rn__region_base(const struct rn__stack *s)
{
    return s->region->base;
}

/* ---- who lives there -------------------------------------------------------------------------------------- */

void rn__region_settle(struct rn__stack *s)
{
    /* Release pairs with the acquire of visitors: the goroutine's record is written. */
    atomic_store_explicit(&s->region->life[s->index], LIVES, memory_order_release);
}

void rn__region_vacate(struct rn__stack *s)
{
    _Atomic uint8_t *life = &s->region->life[s->index];
    uint8_t lives = LIVES;

    /* Acquire pairs with the visitor's release: he has seen what is about to go. */
    if (atomic_compare_exchange_strong_explicit(life, &lives, EMPTY, memory_order_acq_rel,
                                                memory_order_relaxed))
        return;
    rn__lock(&regions.visit); /* nobody is visited then */
    atomic_store_explicit(life, EMPTY, memory_order_relaxed);
    rn__unlock(&regions.visit);
}

static struct rn__region *visitor_enter(void)
{
    struct rn__region *first;

    rn__lock(&regions.lock);
    regions.visitors++;
    first = regions.all;
    rn__unlock(&regions.lock);
    return first;
}

static struct rn__region *visitor_next(const struct rn__region *r)
{
    struct rn__region *next;

    rn__lock(&regions.lock);
    next = r->next;
    rn__unlock(&regions.lock);
    return next;
}

static void visitor_leave(void)
{
    struct rn__region *dead = NULL, *next;

    rn__lock(&regions.lock);
    if (--regions.visitors == 0) {
        dead = regions.dead;
        regions.dead = NULL;
    }
    rn__unlock(&regions.lock);
    for (; dead != NULL; dead = next) {
        next = dead->dead_next;
        free(dead);
    }
}

void rn__region_visit(void (*fn)(struct rn__stack *s, void *arg), void *arg)
{
    unsigned n = 0;

    for (struct rn__region *r = visitor_enter(); r != NULL; r = visitor_next(r)) {
        rn__lock(&regions.visit);
        for (uint32_t i = 0, carved = carved_of(r); i < carved; i++) {
            uint8_t lives = LIVES;

            /* Relaxed look; the exchange keeps it there.  Acquire pairs with rn__region_settle(). */
            if (atomic_load_explicit(&r->life[i], memory_order_relaxed) != LIVES ||
                !atomic_compare_exchange_strong_explicit(
                    &r->life[i], &lives, VISITED, memory_order_acquire, memory_order_relaxed))
                continue;
            fn(stack_place(r, i), arg);
            /* Release: all that we have read was read before it goes. */
            atomic_store_explicit(&r->life[i], LIVES, memory_order_release);
            if (++n % AT_A_TIME == 0) {
                rn__unlock(&regions.visit);
                rn__lock(&regions.visit);
            }
        }
        rn__unlock(&regions.visit);
    }
    visitor_leave();
}

void rn__region_visit_alone(void (*fn)(struct rn__stack *s, void *arg), void *arg)
{
    for (struct rn__region *r = regions.all, *next; r != NULL; r = next) {
        next = r->next;
        for (uint32_t i = 0; i < carved_of(r); i++)
            if (atomic_load_explicit(&r->life[i], memory_order_acquire) == LIVES)
                fn(stack_place(r, i), arg);
    }
}
