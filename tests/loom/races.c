/* races.c - plain accesses that nothing orders; see loom.h.   SPDX-License-Identifier: MIT
 *
 * The runtime's sources are compiled as for ThreadSanitizer, whose functions are ours here: so each plain access is seen, and
 * each atomic is anyway.  A clock per thread counts what it has published; an acquire learns what a release knew.  Two
 * accesses of the same bytes, one of them a write, by threads of which the later does not know the earlier, are a race: in C
 * it is undefined, and on hardware the orders that are missing may be missed.  So the orders are checked in every schedule
 * that is looked at, not just in one where they matter. */
#include "tests/loom/races.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS         8u
#define CELLS         (1u << 14)
#define SYNCS         (1u << 12)
#define LATEST        (m.turn++)
#define GRANULE       8u
#define THREAD_LOCALS ((uintptr_t)16 << 10) /* bytes to either side of the thread's pointer */

/* One access of some of eight bytes. */
struct access {
    uint32_t clock;
    uint8_t thread, bytes;
    bool write;
    const void *pc;
};

struct cell {
    uintptr_t at; /* the address / GRANULE */
    uint64_t schedule;
    struct access slots[SLOTS];
};

struct sync {
    uintptr_t at;
    uint64_t schedule;
    struct loom_clock clock;
};

static struct {
    uint64_t schedule;
    struct loom_clock threads[LOOM_THREADS_MAX];
    struct loom_clock loaded[LOOM_THREADS_MAX]; /* by relaxed loads: known after a fence */
    struct loom_clock fenced[LOOM_THREADS_MAX]; /* at the last fence: published by relaxed stores */
    struct cell cells[CELLS];
    struct sync syncs[SYNCS];
    unsigned turn;
} m;

bool loom_racing;

extern const char __executable_start[];

/* ---- clocks -------------------------------------------------------------------------------------- */

static void learn(struct loom_clock *c, const struct loom_clock *of)
{
    for (unsigned i = 0; i < LOOM_THREADS_MAX; i++)
        if (c->at[i] < of->at[i])
            c->at[i] = of->at[i];
}

static struct sync *sync_of(const volatile void *at)
{
    uintptr_t key = (uintptr_t)at;

    for (unsigned i = (unsigned)(key * 0x9e3779b1u >> 4) % SYNCS, n = 0; n < SYNCS;
         i = (i + 1) % SYNCS, n++) {
        struct sync *s = &m.syncs[i];

        if (s->schedule != m.schedule)
            *s = (struct sync){ .at = key, .schedule = m.schedule };
        if (s->at == key)
            return s;
    }
    loom_fail("more than %u atomics", SYNCS);
}

static bool acquires(memory_order order)
{
    return order != memory_order_relaxed && order != memory_order_release;
}

static bool releases(memory_order order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

void loom_races_begin(bool look)
{
    m.schedule++;
    loom_racing = look;
    memset(m.loaded, 0, sizeof m.loaded);
    memset(m.fenced, 0, sizeof m.fenced);
    memset(m.threads, 0, sizeof m.threads);
    for (unsigned i = 0; i < LOOM_THREADS_MAX; i++)
        m.threads[i].at[i] = 1;
}

void loom_races_end(void)
{
    loom_racing = false;
}

void loom_order_load(const volatile void *at, memory_order order)
{
    int t = loom_current();

    if (loom_racing)
        learn(acquires(order) ? &m.threads[t] : &m.loaded[t], &sync_of(at)->clock);
}

void loom_order_store(struct loom_clock *published, memory_order order)
{
    int t = loom_current();

    if (!loom_racing)
        return;
    *published = releases(order) ? m.threads[t] : m.fenced[t];
    if (releases(order))
        m.threads[t].at[t]++;
}

void loom_order_stored(volatile void *at, const struct loom_clock *published)
{
    if (loom_racing)
        sync_of(at)->clock = *published;
}

/* A relaxed one passes on what was published there. */
void loom_order_change(volatile void *at, memory_order order)
{
    int t = loom_current();
    struct sync *s;

    if (!loom_racing)
        return;
    s = sync_of(at);
    learn(acquires(order) ? &m.threads[t] : &m.loaded[t], &s->clock);
    learn(&s->clock, releases(order) ? &m.threads[t] : &m.fenced[t]);
    if (releases(order))
        m.threads[t].at[t]++;
}

void loom_order_fence(memory_order order)
{
    int t = loom_current();

    if (!loom_racing)
        return;
    if (acquires(order))
        learn(&m.threads[t], &m.loaded[t]);
    if (!releases(order))
        return;
    m.fenced[t] = m.threads[t];
    m.threads[t].at[t]++;
}

void loom_order_acquire(const volatile void *at)
{
    if (loom_racing)
        learn(&m.threads[loom_current()], &sync_of(at)->clock);
}

void loom_order_release(const volatile void *at)
{
    int t = loom_current();

    if (!loom_racing)
        return;
    learn(&sync_of(at)->clock, &m.threads[t]);
    m.threads[t].at[t]++;
}

/* ---- accesses -------------------------------------------------------------------------------------- */

static void say_where(const void *pc)
{
    size_t offset = (size_t)((const char *)pc - __executable_start) - 1;
    char command[128];

    /* Under an emulator addr2line looks into that: then the offset is what there is. */
    printf("%#zx ", offset);
    fflush(stdout);
    snprintf(command, sizeof command, "addr2line -f -s -e /proc/%d/exe %#zx | paste -s -d ' '",
             (int)getpid(), offset);
    if (system(command) != 0)
        putchar('\n');
}

static _Noreturn void report(uintptr_t at, const struct access *a, const struct access *b)
{
    loom_racing = false;
    printf("a %s by thread %d at ", b->write ? "write" : "read", b->thread);
    say_where(b->pc);
    printf("after a %s by thread %d at ", a->write ? "write" : "read", a->thread);
    say_where(a->pc);
    loom_fail("a data race at %#zx", (size_t)at);
}

static struct cell *cell_of(uintptr_t at)
{
    for (unsigned i = (unsigned)(at * 0x9e3779b1u >> 3) % CELLS, n = 0; n < CELLS;
         i = (i + 1) % CELLS, n++) {
        struct cell *c = &m.cells[i];

        if (c->schedule != m.schedule) {
            memset(c, 0, sizeof *c);
            c->at = at;
            c->schedule = m.schedule;
        }
        if (c->at == at)
            return c;
    }
    return NULL; /* so much memory that it does not matter */
}

static bool known(const struct loom_clock *c, const struct access *a)
{
    return a->clock <= c->at[a->thread];
}

static void access_within(uintptr_t at, unsigned bytes, bool write, const void *pc)
{
    int t = loom_current();
    const struct loom_clock *clock = &m.threads[t];
    struct access now = { clock->at[t], (uint8_t)t, (uint8_t)bytes, write, pc };
    struct cell *c = cell_of(at);
    struct access *place = NULL;

    if (c == NULL)
        return;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct access *a = &c->slots[i];

        if (a->bytes == 0) {
            place = place != NULL ? place : a;
            continue;
        }
        if ((a->bytes & bytes) != 0 && a->thread != t && (write || a->write) && !known(clock, a))
            report(at * GRANULE, a, &now);
        /* What comes after this one will be known only if this is, and conflicts if this does. */
        if ((a->bytes & ~bytes) == 0 && (write || !a->write) && known(clock, a)) {
            a->bytes = 0;
            place = a;
        }
    }
    if (place == NULL)
        place = &c->slots[LATEST % SLOTS];
    *place = now;
}

/* All virtual threads have those of one thread; machine.c sees to it that none notices. */
static bool is_thread_local(uintptr_t at)
{
    uintptr_t block = (uintptr_t)__builtin_thread_pointer();

    return at - (block - THREAD_LOCALS) < 2 * THREAD_LOCALS;
}

static void access_range(const void *address, size_t size, bool write, const void *pc)
{
    uintptr_t at = (uintptr_t)address;

    if (!loom_racing || loom_current() < 0 || is_thread_local(at))
        return;
    while (size > 0) {
        unsigned skip = (unsigned)(at % GRANULE);
        unsigned n = size < GRANULE - skip ? (unsigned)size : GRANULE - skip;

        access_within(at / GRANULE, ((1u << n) - 1) << skip, write, pc);
        at += n;
        size -= n;
    }
}

void loom_reads(const void *at)
{
    access_range(at, 1, false, __builtin_return_address(0));
}

void loom_writes(void *at)
{
    access_range(at, 1, true, __builtin_return_address(0));
}

/* ---- what the compiler calls ------------------------------------------------------------------------ */

#define ACCESS(name, size, write)                                       \
    void __tsan_##name(void *at);                                       \
    void __tsan_##name(void *at)                                        \
    {                                                                   \
        if (loom_racing)                                                \
            access_range(at, size, write, __builtin_return_address(0)); \
    }

#define ACCESSES(size)                        \
    ACCESS(read##size, size, false)           \
    ACCESS(write##size, size, true)           \
    ACCESS(unaligned_read##size, size, false) \
    ACCESS(unaligned_write##size, size, true)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

/* clang-format off */
void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int value, size_t size);
/* clang-format on */

void __tsan_init(void) {}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void) {}

void __tsan_read_range(void *at, size_t size)
{
    access_range(at, size, false, __builtin_return_address(0));
}

void __tsan_write_range(void *at, size_t size)
{
    access_range(at, size, true, __builtin_return_address(0));
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    access_range(from, size, false, __builtin_return_address(0));
    access_range(to, size, true, __builtin_return_address(0));
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    access_range(from, size, false, __builtin_return_address(0));
    access_range(to, size, true, __builtin_return_address(0));
    return memmove(to, from, size);
}

void *__tsan_memset(void *to, int value, size_t size)
{
    access_range(to, size, true, __builtin_return_address(0));
    return memset(to, value, size);
}
