/* stack.c - see stack.h.   SPDX-License-Identifier: MIT
 *
 * A goroutine that begins takes the stack of one that has ended just before, which is still in the CPU's cache, and neither
 * pays a lock or a system call.  Only whole bundles go between the workers and the pool; there the newest are taken first, so
 * the oldest are those that nobody needs. */
#include "runtime/stack.h"

#include "runtime/assert.h"
#include "runtime/fiber.h"
#include "runtime/g.h"
#include "runtime/lock.h"
#include "runtime/region.h"

#include <stdatomic.h>
#include <time.h>

#ifdef RN__ASAN
#include <sanitizer/asan_interface.h>
#endif

#define STACK_MAX    (SIZE_MAX / 16)   /* so that no sum of ours overflows */
#define BUNDLE_MAX   64u               /* stacks */
#define BUNDLE_BYTES ((size_t)4 << 20) /* of address space: fewer of the large ones */
#define TRIM_KEEPS \
    ((size_t)16 << 20) /* bytes of stacks of each size that the next scheduler finds */
#define SIZE_DEFAULT 2 /* RN__STACK_MIN << 2 */
#define NONE         RN__STACK_SIZES /* not a size that is kept */

static struct {
    struct rn__lock lock;
    struct pool {
        struct rn__stack *newest, *oldest; /* first stacks of bundles; guarded by lock */
    } of[RN__STACK_SIZES];
    _Atomic int64_t
        due; /* when the oldest bundle will have been in a pool for long enough; written under lock; relaxed, a hint */
} pools = { .due = INT64_MAX };

/* Of each size: how many make a whole bundle, and what they are cut from. */
#define BYTES(i) (((size_t)RN__STACK_MIN << (i)) * RN__STACK_FACTOR)
#define FIT(i)   (BUNDLE_BYTES * RN__STACK_FACTOR / BYTES(i))
#define MOST(i)  (FIT(i) < 1 ? 1 : FIT(i) > BUNDLE_MAX ? BUNDLE_MAX : FIT(i))
static const unsigned bundle_most[] = { MOST(0), MOST(1), MOST(2), MOST(3), MOST(4),
                                        MOST(5), MOST(6), MOST(7), MOST(8), MOST(9) };
#define FROM(i)                         \
    {                                   \
        .number = (i), .size = BYTES(i) \
    }
static struct rn__regions sizes[] = { FROM(0), FROM(1), FROM(2), FROM(3), FROM(4),
                                      FROM(5), FROM(6), FROM(7), FROM(8), FROM(9) };
_Static_assert(sizeof sizes / sizeof *sizes == RN__STACK_SIZES, "one each");

/* Not the virtual clock: the memory is real. */
static int64_t coarse_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static unsigned size_of_request(size_t bytes)
{
    unsigned size = 0;

    if (bytes == 0)
        bytes = RN__STACK_DEFAULT;
    while (size < RN__STACK_SIZES && (size_t)RN__STACK_MIN << size < bytes)
        size++;
    return size;
}

/* ---- bundles --------------------------------------------------------------------------------------------- */

static void bundle_push(struct rn__bundle *b, struct rn__stack *s)
{
    s->next = b->first;
    b->first = s;
    b->count++;
}

static struct rn__stack *bundle_pop(struct rn__bundle *b)
{
    struct rn__stack *s = b->first;

    if (s == NULL)
        return NULL;
    b->first = s->next;
    b->count--;
    return s;
}

/* ---- the pool -------------------------------------------------------------------------------------------- */

/* The lock is held. */
static void due_update(void)
{
    int64_t due = INT64_MAX;

    for (unsigned i = 0; i < RN__STACK_SIZES; i++) {
        const struct rn__stack *oldest = pools.of[i].oldest;

        if (oldest != NULL && oldest->since_ns + RN__STACK_KEEP_NS < due)
            due = oldest->since_ns + RN__STACK_KEEP_NS;
    }
    atomic_store_explicit(&pools.due, due, memory_order_relaxed);
}

/* The lock is held. */
static void pool_remove(struct pool *p, struct rn__stack *first)
{
    if (first->older != NULL)
        first->older->newer = first->newer;
    else
        p->oldest = first->newer;
    if (first->newer != NULL)
        first->newer->older = first->older;
    else
        p->newest = first->older;
}

static void pool_push(unsigned size, struct rn__bundle b, int64_t since_ns)
{
    struct pool *p = &pools.of[size];

    if (b.count == 0)
        return;
    b.first->in_bundle = (uint8_t)b.count;
    b.first->since_ns = since_ns;
    b.first->newer = NULL;
    rn__lock(&pools.lock);
    b.first->older = p->newest;
    if (p->newest != NULL)
        p->newest->newer = b.first;
    else
        p->oldest = b.first;
    p->newest = b.first;
    if (p->oldest == b.first)
        due_update();
    rn__unlock(&pools.lock);
}

static struct rn__bundle pool_pop(unsigned size)
{
    struct pool *p = &pools.of[size];
    struct rn__bundle b = { 0 };

    rn__lock(&pools.lock);
    if (p->newest != NULL) {
        b = (struct rn__bundle){ p->newest, p->newest->in_bundle };
        pool_remove(p, b.first);
    }
    rn__unlock(&pools.lock);
    return b;
}

/* A bundle of the pool; else one of stacks that are cold.  Count 0: no memory. */
static struct rn__bundle bundle_get(unsigned size, unsigned most)
{
    struct rn__bundle b = pool_pop(size);

    return b.count > 0 ? b : rn__region_take(&sizes[size], most);
}

/* ---- the contract's ---- */

static struct rn__stack *get_alone(size_t bytes)
{
    size_t page = rn__page_size();

    return rn__region_take_alone((bytes * RN__STACK_FACTOR + page - 1) & ~(page - 1));
}

/* On a plain thread, which keeps none. */
static struct rn__stack *get_one(unsigned size)
{
    struct rn__bundle b = bundle_get(size, 1);
    struct rn__stack *s = bundle_pop(&b);

    pool_push(size, b, coarse_now());
    return s;
}

/* The worker's bundle is used up. */
static __attribute__((noinline)) struct rn__stack *get_more(size_t bytes,
                                                            struct rn__stack_cache *cache)
{
    unsigned size = size_of_request(bytes);
    struct rn__stack *s;

    if (bytes > STACK_MAX)
        return NULL;
    if (size == NONE)
        return get_alone(bytes);
    if (cache == NULL)
        return get_one(size);
    s = bundle_pop(&cache->now[size]);
    if (s != NULL)
        return s;
    cache->now[size] = cache->then[size];
    cache->then[size] = (struct rn__bundle){ 0 };
    if (cache->now[size].count == 0)
        cache->now[size] = bundle_get(size, bundle_most[size]);
    return bundle_pop(&cache->now[size]);
}

struct rn__stack *rn__stack_get(size_t bytes, struct rn__stack_cache *cache)
{
    struct rn__stack *s;

    if (bytes != 0 || cache == NULL || (s = bundle_pop(&cache->now[SIZE_DEFAULT])) == NULL)
        return get_more(bytes, cache);
    /* The next one is likely to be wanted next, and no longer in the CPU's cache. */
    if (s->next != NULL) {
        __builtin_prefetch(s->next);
        __builtin_prefetch(s->next + 1);
        __builtin_prefetch((char *)s->next - 64);
    }
    return s;
}

/* The worker's bundle is full; or it is no worker, or no size that is kept. */
static __attribute__((noinline)) void put_more(struct rn__stack *s, struct rn__stack_cache *cache)
{
    unsigned size = s->number;
    int64_t now = coarse_now();

    if (size == NONE) {
        rn__region_give(s);
        return;
    }
    if (cache == NULL) {
        s->next = NULL;
        pool_push(size, (struct rn__bundle){ s, 1 }, now);
        return;
    }
    pool_push(size, cache->then[size], now);
    rn__stack_give_back(now);
    cache->then[size] = cache->now[size];
    cache->now[size] = (struct rn__bundle){ 0 };
    bundle_push(&cache->now[size], s);
}

void rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache)
{
    unsigned size = s->number;

#ifdef RN__ASAN
    __asan_unpoison_memory_region(s->low, s->size);
#endif
    if (cache != NULL && size != NONE && cache->now[size].count < bundle_most[size])
        bundle_push(&cache->now[size], s);
    else
        put_more(s, cache);
}

void rn__stack_cache_drain(struct rn__stack_cache *cache)
{
    int64_t now = coarse_now();

    for (unsigned i = 0; i < RN__STACK_SIZES; i++) {
        pool_push(i, cache->then[i], now);
        pool_push(i, cache->now[i], now);
        cache->now[i] = cache->then[i] = (struct rn__bundle){ 0 };
    }
}

/* ---- giving back ------------------------------------------------------------------------------------------- */

bool rn__stack_give_back(int64_t now)
{
    struct rn__stack *first = NULL, *next;

    /* Relaxed: see `due`. */
    if (atomic_load_explicit(&pools.due, memory_order_relaxed) > now)
        return false;
    rn__lock(&pools.lock);
    for (unsigned i = 0; i < RN__STACK_SIZES && first == NULL; i++) {
        struct rn__stack *oldest = pools.of[i].oldest;

        if (oldest != NULL && oldest->since_ns + RN__STACK_KEEP_NS <= now)
            pool_remove(&pools.of[i], first = oldest);
    }
    due_update();
    rn__unlock(&pools.lock);
    for (struct rn__stack *s = first; s != NULL; s = next) {
        next = s->next;
        rn__region_give(s);
    }
    return first != NULL;
}

int64_t rn__stack_due(const struct rn__stack_cache *cache, int64_t now)
{
    int64_t due = atomic_load_explicit(&pools.due, memory_order_relaxed);

    for (unsigned i = 0; i < RN__STACK_SIZES; i++)
        if (cache->now[i].count + cache->then[i].count > 0 && now + RN__STACK_KEEP_NS < due)
            due = now + RN__STACK_KEEP_NS;
    return due;
}

/* All but a few of the newest, which are kept; nobody else runs. */
static void pool_trim(struct pool *p)
{
    struct rn__stack *first = p->newest;

    for (size_t kept = 0; first != NULL && kept < TRIM_KEEPS * RN__STACK_FACTOR;
         first = first->older)
        for (struct rn__stack *s = first; s != NULL; s = s->next) {
            rn__region_keep(s, RN__KEEP_ONCE);
            kept += s->size;
            p->oldest = first;
        }
    if (p->newest == NULL)
        return;
    p->oldest->older = NULL;
}

/* Without a look at each: most of a crowd's are in no cache of the CPU, and whole regions of them go. */
void rn__stack_trim(void)
{
    rn__lock(&pools.lock);
    for (unsigned i = 0; i < RN__STACK_SIZES; i++)
        pool_trim(&pools.of[i]);
    due_update();
    rn__unlock(&pools.lock);
    rn__region_cool_all();
}

uint64_t rn__stack_mapped(void)
{
    return rn__region_mapped();
}

bool rn__stack_overflowed(const struct rn__stack *s, const void *sp)
{
    return (const char *)sp < s->low + RN__CANARY_SIZE || !rn__canary_whole(s->low);
}
