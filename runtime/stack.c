/* stack.c - see stack.h.   SPDX-License-Identifier: MIT
 *
 * Guards: MADV_GUARD_INSTALL where the kernel has it (6.13), because it splits no mapping; else mprotect, which costs
 * two mappings a stack, until vm.max_map_count is reached; after that a stack has no guard, and says so once. */
#include "runtime/stack.h"

#include "runtime/assert.h"
#include "runtime/fiber.h"
#include "runtime/g.h"
#include "runtime/lock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef RN__ASAN
#include <sanitizer/asan_interface.h>
#endif
#if defined(RN__ASAN) || defined(RN__TSAN)
#define STACK_FACTOR 4 /* instrumented frames are larger */
#else
#define STACK_FACTOR 1
#endif

#define MADVISE_GUARD_INSTALL 102
#define CACHE_MAX             256
#define STACK_MAX             (SIZE_MAX / 16) /* so that no sum of ours overflows */
#define BATCH                 64
#define PROTECT_MAX \
    28000 /* of two mappings each; what vm.max_map_count leaves (65530) is for stacks without */

enum guard_kind { GUARD_MADVISE, GUARD_PROTECT, GUARD_NONE };

static struct {
    struct rn__lock lock;
    struct rn__stack_cache cache; /* guarded by lock */
    _Atomic int guard; /* enum guard_kind; only grows; relaxed, each thread may find out itself */
    _Atomic unsigned protected; /* guards asked of mprotect since the program began */
    _Atomic uint64_t mapped;    /* relaxed: a statistic */
} stacks;

static size_t page_size(void)
{
    static _Atomic size_t known; /* relaxed: each thread may find out itself */
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);

    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

size_t rn__stack_guard_size(void)
{
    return page_size();
}

/* Emulators (qemu-user) answer 0 to an advice that they do not know.  So a system call that reads the first such page must
 * fail: relaxed, each thread may find out itself. */
static bool guard_holds(const char *page)
{
    static _Atomic bool known;

    if (!atomic_load_explicit(&known, memory_order_relaxed)) {
        if (access(page, F_OK) == 0 || errno != EFAULT)
            return false;
        atomic_store_explicit(&known, true, memory_order_relaxed);
    }
    return true;
}

/* Not inlined, so that errno is looked up on the thread that made the call. */
static __attribute__((noinline)) bool guard_madvise(char *page)
{
    int kind = GUARD_MADVISE;

    if (madvise(page, page_size(), MADVISE_GUARD_INSTALL) == 0) {
        if (guard_holds(page))
            return true;
        errno = EINVAL;
    }
    if (errno == EINVAL) /* this kernel does not have it; all else may pass */
        atomic_compare_exchange_strong(&stacks.guard, &kind, GUARD_PROTECT);
    return false;
}

static bool guard_install(char *page)
{
    int kind = atomic_load_explicit(&stacks.guard, memory_order_relaxed);

    if (kind == GUARD_MADVISE && guard_madvise(page))
        return true;
    if (kind <= GUARD_PROTECT && atomic_fetch_add(&stacks.protected, 1) < PROTECT_MAX &&
        mprotect(page, page_size(), PROT_NONE) == 0)
        return true;
    if (atomic_exchange(&stacks.guard, GUARD_NONE) != GUARD_NONE)
        dprintf(2, "runnel: the kernel has no more guard pages to give (vm.max_map_count): "
                   "from here on a stack that overflows is not noticed\n");
    return false;
}

/* Where the struct lies: at the high end, with the goroutine's record above it. */
static struct rn__stack *stack_head(char *low, size_t size)
{
    return (struct rn__stack *)((uintptr_t)(low + size - sizeof(struct rn__g) -
                                            sizeof(struct rn__stack)) &
                                ~(uintptr_t)63);
}

static struct rn__stack *stack_map(size_t bytes)
{
    size_t page = page_size(), size = (bytes + page - 1) & ~(page - 1);
    char *base = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    struct rn__stack *s;

    if (base == MAP_FAILED)
        return NULL;
    madvise(base, size + page, MADV_NOHUGEPAGE);
    guard_install(base);
    s = stack_head(base + page, size);
    s->low = base + page;
    s->size = size;
    s->next = NULL;
    atomic_fetch_add_explicit(&stacks.mapped, size, memory_order_relaxed);
    return s;
}

static void stack_unmap(struct rn__stack *s)
{
    size_t size = s->size;

    atomic_fetch_sub_explicit(&stacks.mapped, size, memory_order_relaxed);
    munmap(s->low - page_size(), size + page_size());
}

static void cache_push(struct rn__stack_cache *cache, struct rn__stack *s)
{
    s->next = cache->first;
    cache->first = s;
    cache->count++;
}

static struct rn__stack *cache_pop(struct rn__stack_cache *cache)
{
    struct rn__stack *s = cache->first;

    if (s == NULL)
        return NULL;
    cache->first = s->next;
    cache->count--;
    return s;
}

static void cache_move(struct rn__stack_cache *from, struct rn__stack_cache *to, unsigned count)
{
    struct rn__stack *s;

    while (count-- > 0 && (s = cache_pop(from)) != NULL)
        cache_push(to, s);
}

struct rn__stack *rn__stack_get(size_t bytes, struct rn__stack_cache *cache)
{
    struct rn__stack *s;

    if (bytes == 0)
        bytes = RN__STACK_DEFAULT;
    if (bytes < RN__STACK_MIN)
        bytes = RN__STACK_MIN;
    if (bytes > STACK_MAX)
        return NULL;
    bytes *= STACK_FACTOR;
    if (bytes != (size_t)RN__STACK_DEFAULT * STACK_FACTOR)
        return stack_map(bytes);
    s = cache != NULL ? cache_pop(cache) : NULL;
    if (s != NULL)
        return s;
    rn__lock(&stacks.lock);
    s = cache_pop(&stacks.cache);
    if (cache != NULL)
        cache_move(&stacks.cache, cache, BATCH);
    rn__unlock(&stacks.lock);
    return s != NULL ? s : stack_map(bytes);
}

void rn__stack_put(struct rn__stack *s, struct rn__stack_cache *cache)
{
#ifdef RN__ASAN
    __asan_unpoison_memory_region(s->low, s->size);
#endif
    if (s->size != (size_t)RN__STACK_DEFAULT * STACK_FACTOR) {
        stack_unmap(s);
        return;
    }
    if (cache != NULL && cache->count < CACHE_MAX) {
        cache_push(cache, s);
        return;
    }
    rn__lock(&stacks.lock);
    cache_push(&stacks.cache, s);
    if (cache != NULL)
        cache_move(cache, &stacks.cache, BATCH);
    rn__unlock(&stacks.lock);
}

void rn__stack_cache_drain(struct rn__stack_cache *cache)
{
    rn__lock(&stacks.lock);
    cache_move(cache, &stacks.cache, cache->count);
    rn__unlock(&stacks.lock);
}

void rn__stack_trim(void)
{
    struct rn__stack *s;

    rn__lock(&stacks.lock);
    while (stacks.cache.count > CACHE_MAX && (s = cache_pop(&stacks.cache)) != NULL)
        stack_unmap(s);
    rn__unlock(&stacks.lock);
}

uint64_t rn__stack_mapped(void)
{
    return atomic_load_explicit(&stacks.mapped, memory_order_relaxed);
}
