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
#define ALL_SLOTS     ((1u << SLOTS) - 1)
#define CELLS         (1u << 14)
#define SYNCS         (1u << 12)
#define LATEST        (m.turn++)
#define GRANULE       8u
#define THREAD_LOCALS ((uintptr_t)16 << 10) /* bytes to either side of the thread's pointer */

/* One access of some of eight bytes. */
struct access {
    uint32_t clock, pc; /* the latter from the program's beginning */
    uint8_t thread, bytes;
    bool write;
};

/* Small, and beside that of the next address: more than the looks cost the misses. */
struct cell {
    uintptr_t at; /* the address / GRANULE */
    uint32_t schedule;
    uint8_t used; /* of the slots, as bits */
    struct access slots[SLOTS];
};

struct sync {
    uintptr_t at;
    uint32_t schedule;
    struct loom_clock clock;
};

static struct {
    uint32_t schedule; /* from 1 on, in one program fewer than there are numbers */
    struct loom_clock threads[LOOM_THREADS_MAX];
    struct loom_clock loaded[LOOM_THREADS_MAX]; /* by relaxed loads: known after a fence */
    struct loom_clock fenced[LOOM_THREADS_MAX]; /* at the last fence: published by relaxed stores */
    struct cell cells[CELLS];
    struct sync syncs[SYNCS];
    unsigned turn;
} m;

struct loom_gone loom_gone;
bool loom_racing;
static bool looking; /* racing, or some memory is gone */

extern const char __executable_start[];

/* What is near each other stays so; blocks of pages lie anywhere. */
static unsigned place_of(uintptr_t unit, unsigned of)
{
    return (unsigned)(unit + ((uint32_t)(unit >> 9) * UINT32_C(0x9e3779b1) >> 12)) % of;
}

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

    for (unsigned i = place_of(key / 4, SYNCS), n = 0; n < SYNCS; i = (i + 1) % SYNCS, n++) {
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
    looking = look || loom_gone.size > 0;
    memset(m.loaded, 0, sizeof m.loaded);
    memset(m.fenced, 0, sizeof m.fenced);
    memset(m.threads, 0, sizeof m.threads);
    for (unsigned i = 0; i < LOOM_THREADS_MAX; i++)
        m.threads[i].at[i] = 1;
}

void loom_races_end(void)
{
    loom_racing = false;
    looking = loom_gone.size > 0;
}

void loom_races_gone(const void *at, size_t size)
{
    loom_gone = (struct loom_gone){ (uintptr_t)at, size };
    looking = loom_racing || size > 0;
}

void loom_order_load_seen(const volatile void *at, memory_order order)
{
    int t = loom_self;

    learn(acquires(order) ? &m.threads[t] : &m.loaded[t], &sync_of(at)->clock);
}

void loom_order_store_seen(struct loom_clock *published, memory_order order)
{
    int t = loom_self;

    *published = releases(order) ? m.threads[t] : m.fenced[t];
    if (releases(order))
        m.threads[t].at[t]++;
}

void loom_order_stored_seen(volatile void *at, const struct loom_clock *published)
{
    sync_of(at)->clock = *published;
}

/* A relaxed one passes on what was published there. */
void loom_order_change_seen(volatile void *at, memory_order order)
{
    int t = loom_self;
    struct sync *s = sync_of(at);

    learn(acquires(order) ? &m.threads[t] : &m.loaded[t], &s->clock);
    learn(&s->clock, releases(order) ? &m.threads[t] : &m.fenced[t]);
    if (releases(order))
        m.threads[t].at[t]++;
}

void loom_order_fence_seen(memory_order order)
{
    int t = loom_self;

    if (acquires(order))
        learn(&m.threads[t], &m.loaded[t]);
    if (!releases(order))
        return;
    m.fenced[t] = m.threads[t];
    m.threads[t].at[t]++;
}

void loom_order_acquire_seen(const volatile void *at)
{
    learn(&m.threads[loom_self], &sync_of(at)->clock);
}

void loom_order_release_seen(const volatile void *at)
{
    int t = loom_self;

    learn(&sync_of(at)->clock, &m.threads[t]);
    m.threads[t].at[t]++;
}

/* ---- accesses -------------------------------------------------------------------------------------- */

static void say_where(uint32_t pc)
{
    uint32_t offset = pc - 1;
    char command[128];

    /* Under an emulator addr2line looks into that: then the offset is what there is. */
    printf("%#x ", offset);
    fflush(stdout);
    snprintf(command, sizeof command, "addr2line -f -s -e /proc/%d/exe %#x | paste -s -d ' '",
             (int)getpid(), offset);
    if (system(command) != 0)
        putchar('\n');
}

static _Noreturn void report(uintptr_t at, const struct access *a, const struct access *b)
{
    loom_races_end();
    printf("a %s by thread %d at ", b->write ? "write" : "read", b->thread);
    say_where(b->pc);
    printf("after a %s by thread %d at ", a->write ? "write" : "read", a->thread);
    say_where(a->pc);
    loom_fail("a data race at %#zx", (size_t)at);
}

static _Noreturn void was_gone(uintptr_t at, uint32_t pc)
{
    loom_races_end();
    say_where(pc);
    loom_fail("an access to memory that was given back, %#zx", (size_t)at);
}

static uint32_t offset_of(const void *pc)
{
    return (uint32_t)((const char *)pc - __executable_start);
}

static struct cell *cell_of(uintptr_t at)
{
    for (unsigned i = place_of(at, CELLS), n = 0; n < CELLS; i = (i + 1) % CELLS, n++) {
        struct cell *c = &m.cells[i];

        if (c->schedule != m.schedule) {
            c->at = at;
            c->schedule = m.schedule;
            c->used = 0;
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

static void access_within(uintptr_t at, unsigned bytes, bool write, uint32_t pc)
{
    uint8_t t = (uint8_t)loom_self;
    const struct loom_clock *clock = &m.threads[t];
    struct access now = { clock->at[t], pc, t, (uint8_t)bytes, write };
    struct cell *c = cell_of(at);
    unsigned place = SLOTS;

    if (c == NULL)
        return;
    for (unsigned left = c->used; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        struct access *a = &c->slots[i];

        if ((a->bytes & bytes) != 0 && a->thread != t && (write || a->write) && !known(clock, a))
            report(at * GRANULE, a, &now);
        /* What comes after this one will be known only if this is, and conflicts if this does. */
        if ((a->bytes & ~bytes) == 0 && (write || !a->write) && known(clock, a)) {
            c->used &= (uint8_t) ~(1u << i);
            place = i;
        }
    }
    if (place == SLOTS)
        place = c->used == ALL_SLOTS ? LATEST % SLOTS : (unsigned)__builtin_ctz(~c->used);
    c->slots[place] = now;
    c->used |= (uint8_t)(1u << place);
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

    if (loom_is_gone(address))
        was_gone(at, offset_of(pc));
    if (!loom_racing || loom_self < 0 || is_thread_local(at))
        return;
    while (size > 0) {
        unsigned skip = (unsigned)(at % GRANULE);
        unsigned n = size < GRANULE - skip ? (unsigned)size : GRANULE - skip;

        access_within(at / GRANULE, ((1u << n) - 1) << skip, write, offset_of(pc));
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
        if (looking)                                                    \
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
