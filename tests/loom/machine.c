/* machine.c - virtual threads, when they run, and what they see of each other's stores; see loom.h.   SPDX-License-Identifier: MIT
 *
 * One of them runs at a time.  Before each atomic it asks explore.c whether another goes on; when it blocks, gives way or
 * ends another must.  Who gives way does not run again before another has made a step, for it waits for that. */
#include "tests/loom/races.h"

#include "runtime/ctx.h"
#include "runtime/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_BYTES (256u << 10)
#define FIRST_FRAME 256u /* at least: the bytes that rn__ctx_init() writes */
#define BUFFER_MAX  64
#define BURNS_MAX   64   /* pauses: many times as many as whatever spins only for a while needs */
#define IN_A_ROW    500u /* steps of a thread while others could run */
#define START_NS    INT64_C(1000000000)

struct buffered {
    volatile void *at;
    unsigned size;
    uint64_t value;
    struct loom_clock published;
};

struct thread {
    struct rn__ctx ctx;
    char *stack;
    void (*fn)(void *arg);
    void *arg;
    const void *key; /* that it blocks on */
    int64_t deadline;
    const char *what;
    bool woken;
    bool attendant;            /* made by the runtime */
    struct rn__worker *worker; /* while it does not run, as the next two: what is thread-local */
    unsigned visits;
    int error;
    struct buffered buffer[BUFFER_MAX]; /* stores that others do not see yet, oldest first */
};

static struct {
    struct thread threads[LOOM_THREADS_MAX];
    int n;
    /* Sets of threads.  Who neither can run nor has ended blocks; who has yielded can, but another is to make a step first. */
    unsigned ready, yielded, ended;
    /* Of each, together, for every atomic asks: how long it spins on without others, and how many of its stores are delayed. */
    unsigned burns[LOOM_THREADS_MAX], buffered[LOOM_THREADS_MAX];
    struct rn__ctx out; /* of explore.c */
    bool exploring, looking;
    int64_t now, may_sleep;
    uint64_t random;
    unsigned events, in_a_row, row, rows;
} m;

int loom_self = -1;
bool loom_tracing;

void loom_trace_say(const char *format, ...)
{
    va_list args;

    printf("%6u t%d ", m.events, loom_self);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

int64_t loom_now(void)
{
    return m.now;
}

uint64_t loom_random(void)
{
    uint64_t z = (m.random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool is_in(unsigned set, int thread)
{
    return (set & 1u << thread) != 0;
}

/* -1: nobody. */
static unsigned set_of(int thread)
{
    return thread < 0 ? 0 : 1u << thread;
}

static bool blocks(int thread)
{
    return !is_in(m.ready | m.ended, thread);
}

/* ---- failures ------------------------------------------------------------------------------------ */

static void say_threads(void)
{
    for (int i = 0; i < m.n; i++)
        printf("  thread %d %s%s%s\n", i,
               is_in(m.ready, i)   ? "can run"
               : is_in(m.ended, i) ? "has ended"
                                   : "blocks in ",
               blocks(i) ? m.threads[i].what : "", is_in(m.yielded, i) ? " (spins)" : "");
}

_Noreturn void loom_fail(const char *format, ...)
{
    va_list args;

    printf("loom: FAILED: ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    say_threads();
    loom_say_replay();
    loom_exit(1);
}

/* ---- stores ---------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint64_t read_memory(const volatile void *at,
                                                                  unsigned size)
{
    if (loom_is_gone(at))
        loom_fail("an atomic in memory that was given back");
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)at;
    case 2:
        return *(const volatile uint16_t *)at;
    case 4:
        return *(const volatile uint32_t *)at;
    case 8:
        return *(const volatile uint64_t *)at;
    default:
        loom_fail("an atomic of %u bytes", size);
    }
}

static inline __attribute__((always_inline)) void write_memory(volatile void *at, unsigned size,
                                                               uint64_t value)
{
    if (loom_is_gone(at))
        loom_fail("an atomic in memory that was given back");
    switch (size) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)at = (uint32_t)value;
        break;
    case 8:
        *(volatile uint64_t *)at = value;
        break;
    default:
        loom_fail("an atomic of %u bytes", size);
    }
}

static void flush_some(int thread)
{
    struct buffered *first = m.threads[thread].buffer;

    for (unsigned i = 0; i < m.buffered[thread]; i++) {
        write_memory(first[i].at, first[i].size, first[i].value);
        loom_order_stored(first[i].at, &first[i].published);
    }
    loom_trace("  its %u delayed stores are seen", m.buffered[thread]);
    m.buffered[thread] = 0;
}

static inline void flush(int thread)
{
    if (m.buffered[thread] > 0)
        flush_some(thread);
}

void loom_flush(void)
{
    if (loom_self >= 0)
        flush(loom_self);
}

void loom_flush_all(void)
{
    for (int i = 0; i < m.n; i++)
        flush(i);
}

static bool releases(memory_order order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

/* The latest of its stores there that others do not see, or NULL. */
static inline const struct buffered *own_store(const volatile void *at)
{
    if (loom_self < 0)
        return NULL;
    for (unsigned i = m.buffered[loom_self]; i-- > 0;)
        if (m.threads[loom_self].buffer[i].at == at)
            return &m.threads[loom_self].buffer[i];
    return NULL;
}

/* ---- who runs ---------------------------------------------------------------------------------------- */

static void switch_from(struct thread *t, int to)
{
    struct thread *next = &m.threads[to];

    t->worker = rn__worker();
    t->visits = *rn__visits();
    t->error = errno;
    loom_self = to;
    m.in_a_row = 0;
    rn__worker_set(next->worker);
    *rn__visits() = next->visits;
    errno = next->error;
    rn__ctx_switch(&t->ctx, &next->ctx);
}

/* Which can run, but `but`. */
static unsigned runnable(int but)
{
    return m.ready & ~m.yielded & ~set_of(but);
}

static void step_made(int by)
{
    m.yielded &= set_of(by);
}

/* How many steps a thread makes until it gives way to those that could run.  Not as many each time, or it would stop at
 * the same place of a loop again and again: with a lock in its hands for which the others wait. */
static unsigned row_next(void)
{
    return IN_A_ROW + m.rows++ * 37 % 128;
}

/* The usual next after `from`: around. */
static int next_in(unsigned set, int from)
{
    for (int i = 1; i <= m.n; i++)
        if (set & 1u << (from + i) % m.n)
            return (from + i) % m.n;
    return -1;
}

/* Time goes on to when somebody wakes who sleeps.  false: nobody sleeps with a deadline. */
static bool time_passes(void)
{
    int64_t first = LOOM_FOREVER;

    for (int i = 0; i < m.n; i++) {
        struct thread *t = &m.threads[i];

        /* What is no worker and looks around now and then does not save who has been forgotten. */
        if (m.exploring && t->attendant && t->worker == NULL)
            continue;
        if (blocks(i) && t->deadline < first)
            first = t->deadline;
    }
    if (first == LOOM_FOREVER)
        return false;
    if (m.exploring && first > m.may_sleep)
        loom_fail("all sleep, and would until %lld: a wake-up was lost", (long long)first);
    loom_advance(first > m.now ? first - m.now : 0);
    return true;
}

/* Some that can run, when the current one cannot or gives way. */
static unsigned somebody(int current)
{
    unsigned set;

    for (;;) {
        set = runnable(current);
        if (set != 0)
            return set;
        step_made(-1);
        set = runnable(-1);
        if (set != 0)
            return set;
        if (!time_passes())
            return 0;
    }
}

/* Another must run. */
static void give_way(void)
{
    int self = loom_self, chosen;
    unsigned set = somebody(self);

    if (set == 0)
        loom_fail("all block for ever: a deadlock, or a wake-up was lost");
    chosen = next_in(set, self);
    if (m.exploring && (set & (set - 1)) != 0) {
        int other = loom_decide(LOOM_SWITCH, set & ~(1u << chosen), chosen);

        if (other >= 0)
            chosen = other;
    }
    if (chosen != self)
        switch_from(&m.threads[self], chosen);
}

static void stops_burning(void)
{
    unsigned left = m.burns[loom_self];

    if (left != 0 && left < BURNS_MAX / 2)
        loom_fail("it spins, though not for ever, %u times: BURNS_MAX is too small",
                  BURNS_MAX - left);
    m.burns[loom_self] = 0;
}

static void gives_way(void)
{
    flush(loom_self);
    m.yielded |= set_of(loom_self);
    loom_lower(loom_self);
    give_way();
}

static void point_explored(const char *where)
{
    unsigned set;
    int other;

    if (m.burns[loom_self] > 0)
        return;
    m.events++;
    step_made(loom_self);
    set = runnable(loom_self);
    if (set == 0)
        return;
    if (++m.in_a_row > m.row) { /* it may be waiting for another without saying so */
        m.row = row_next();
        gives_way();
        return;
    }
    other = loom_decide(LOOM_PREEMPT, set, loom_self);
    if (other >= 0 && other != loom_self) {
        loom_trace("  preempted by t%d at %s", other, where);
        switch_from(&m.threads[loom_self], other);
    }
}

static inline void point(const char *where)
{
    if (m.exploring && loom_self >= 0)
        point_explored(where);
}

void loom_point(const char *where)
{
    point(where);
}

void loom_pause(void)
{
    if (loom_self < 0 || (m.burns[loom_self] > 0 && --m.burns[loom_self] > 0))
        return;
    if (m.exploring && loom_decide(LOOM_BURN, 1u << 1, -1) == 1) {
        loom_trace("spins, while others do not move");
        m.burns[loom_self] = BURNS_MAX;
        return;
    }
    gives_way();
}

bool loom_block(const void *key, int64_t deadline, const char *what)
{
    struct thread *t = &m.threads[loom_self];

    flush(loom_self);
    stops_burning();
    step_made(loom_self);
    loom_trace("blocks in %s", what);
    if (deadline <= m.now)
        return false;
    t->key = key;
    t->deadline = deadline;
    t->what = what;
    t->woken = false;
    m.ready &= ~set_of(loom_self);
    give_way();
    return t->woken;
}

static void make_ready(int thread, bool woken)
{
    m.threads[thread].woken = woken;
    m.ready |= set_of(thread);
    m.yielded &= ~set_of(thread);
}

int loom_wake(const void *key, int count)
{
    int n = 0;

    loom_flush();
    for (int i = 0; i < m.n && n < count; i++) {
        if (blocks(i) && m.threads[i].key == key) {
            make_ready(i, true);
            loom_trace("  t%d is woken", i);
            n++;
        }
    }
    return n;
}

void loom_await(const bool *flag)
{
    loom_point("loom_await");
    while (!*flag)
        loom_block(flag, LOOM_FOREVER, "loom_await");
    loom_order_acquire(flag);
}

void loom_tell(bool *flag)
{
    loom_point("loom_tell");
    loom_order_release(flag);
    *flag = true;
    loom_wake(flag, INT32_MAX);
}

void loom_advance(int64_t ns)
{
    m.now += ns;
    loom_trace("it is %lld", (long long)m.now);
    for (int i = 0; i < m.n; i++)
        if (blocks(i) && m.threads[i].deadline <= m.now)
            make_ready(i, false);
}

void loom_may_sleep(int64_t until)
{
    m.may_sleep = until;
}

void loom_begin(void)
{
    m.exploring = true;
    loom_races_begin(m.looking);
}

void loom_end(void)
{
    loom_point("loom_end");
    m.exploring = false;
    loom_races_end();
    for (int i = 0; i < m.n; i++) {
        flush(i);
        m.burns[i] = 0;
    }
}

/* ---- threads -------------------------------------------------------------------------------------------- */

/* Whoever made the stack has laid out the first frame there, which is this thread's to overwrite.  Said here, since only on
 * some machines is that frame so large that the runtime's own code comes to do it. */
static void own_stack(struct thread *t)
{
    for (size_t i = sizeof(void *); i <= FIRST_FRAME; i += sizeof(void *))
        loom_writes(t->stack + STACK_BYTES - i);
}

static void thread_main(void *arg)
{
    struct thread *t = arg;

    loom_order_acquire(t);
    own_stack(t);
    t->fn(t->arg);
    loom_point("its end"); /* here and where it waits: before what it has stored is seen */
    flush(loom_self);
    loom_trace("ends");
    loom_order_release(t);
    m.ready &= ~set_of(loom_self);
    m.ended |= set_of(loom_self);
    m.burns[loom_self] = 0;
    loom_wake(t, INT32_MAX);
    if (m.ended == (1u << m.n) - 1) {
        loom_self = -1;
        rn__ctx_switch(&t->ctx, &m.out);
    }
    give_way();
    __builtin_unreachable();
}

static int spawn(void (*fn)(void *arg), void *arg, bool attendant)
{
    struct thread *t = &m.threads[m.n];
    char *stack = t->stack;

    if (m.n == LOOM_THREADS_MAX)
        loom_fail("more than %d threads", LOOM_THREADS_MAX);
    if (stack == NULL) {
        stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED)
            loom_fail("no memory");
    }
    memset(t, 0, offsetof(struct thread, buffer));
    t->fn = fn;
    t->arg = arg;
    t->stack = stack;
    t->attendant = attendant;
    m.ready |= set_of(m.n);
    m.burns[m.n] = m.buffered[m.n] = 0;
    rn__ctx_init(&t->ctx, stack + STACK_BYTES, thread_main, t);
    if (loom_self >= 0)
        loom_order_release(t);
    return m.n++;
}

int loom_spawn(void (*fn)(void *arg), void *arg)
{
    return spawn(fn, arg, false);
}

int loom_spawn_attendant(void (*fn)(void *arg), void *arg)
{
    return spawn(fn, arg, true);
}

void loom_join(int thread)
{
    loom_point("loom_join");
    while (!is_in(m.ended, thread))
        loom_block(&m.threads[thread], LOOM_FOREVER, "loom_join");
    loom_order_acquire(&m.threads[thread]);
}

void loom_join_all(void)
{
    for (int i = 1; i < m.n; i++)
        if (!m.threads[i].attendant)
            loom_join(i);
}

static void unit_main(void *arg)
{
    ((const struct loom_unit *)arg)->run();
    if (m.exploring)
        loom_fail("the unit did not say loom_end");
}

void loom_run(const struct loom_unit *unit, uint64_t seed, bool races)
{
    m.n = 0;
    m.ready = m.yielded = m.ended = 0;
    m.exploring = false;
    m.now = START_NS;
    m.may_sleep = 0;
    m.random = seed;
    m.looking = races;
    m.events = m.rows = 0;
    m.row = row_next();
    loom_world_reset();
    spawn(unit_main, (void *)unit, false);
    rn__worker_set(NULL);
    *rn__visits() = 0;
    loom_self = 0;
    rn__ctx_switch(&m.out, &m.threads[0].ctx);
    loom_mapped_check();
}

/* ---- atomics ---------------------------------------------------------------------------------------------- */

uint64_t loom_load(const volatile void *at, unsigned size, memory_order order, const char *where)
{
    const struct buffered *own;
    uint64_t value;

    point(where);
    own = own_store(at);
    value = own != NULL ? own->value : read_memory(at, size);
    loom_order_load(at, order);
    loom_trace("load  %p -> %#llx   %s", (const void *)at, (unsigned long long)value, where);
    return value;
}

/* Of what seldom changes and stands in the conditions of loops: no scheduling point, for there is one nearby. */
uint64_t loom_glance(const volatile void *at, unsigned size)
{
    loom_order_load(at, memory_order_seq_cst);
    return read_memory(at, size);
}

void loom_store(volatile void *at, unsigned size, uint64_t value, memory_order order,
                const char *where)
{
    struct loom_clock published;
    unsigned *n;

    point(where);
    loom_trace("store %p = %#llx   %s", (void *)at, (unsigned long long)value, where);
    if (loom_self < 0 || !m.exploring) {
        write_memory(at, size, value);
        return;
    }
    stops_burning();
    n = &m.buffered[loom_self];
    loom_order_store(&published, order);
    if (order == memory_order_seq_cst)
        flush(loom_self);
    /* Behind what is delayed, if it says so; else it is seen before that. */
    else if (*n > 0 ? releases(order) || own_store(at) != NULL
                    : loom_decide(LOOM_DELAY, 1u << 1, -1) == 1) {
        if (*n == BUFFER_MAX)
            flush(loom_self);
        m.threads[loom_self].buffer[(*n)++] = (struct buffered){ at, size, value, published };
        loom_trace("  delayed");
        return;
    }
    write_memory(at, size, value);
    loom_order_stored(at, &published);
}

static uint64_t changed(enum loom_change change, uint64_t old, uint64_t value)
{
    switch (change) {
    case LOOM_SET:
        return value;
    case LOOM_ADD:
        return old + value;
    case LOOM_SUB:
        return old - value;
    case LOOM_AND:
        return old & value;
    case LOOM_OR:
        return old | value;
    case LOOM_XOR:
        return old ^ value;
    }
    return 0;
}

static inline void before_change(volatile void *at, memory_order order)
{
    if (loom_self < 0)
        return;
    stops_burning();
    if (m.buffered[loom_self] > 0 && (releases(order) || own_store(at) != NULL))
        flush(loom_self);
}

uint64_t loom_change(volatile void *at, unsigned size, enum loom_change change, uint64_t value,
                     memory_order order, const char *where)
{
    uint64_t old;

    point(where);
    before_change(at, order);
    old = read_memory(at, size);
    value = changed(change, old, value);
    write_memory(at, size, value);
    loom_order_change(at, order);
    loom_trace("change %p %#llx -> %#llx   %s", (void *)at, (unsigned long long)old,
               (unsigned long long)value, where);
    return old;
}

bool loom_cas(volatile void *at, unsigned size, void *expected, uint64_t value,
              memory_order success, memory_order failure, const char *where)
{
    uint64_t old, wanted = read_memory(expected, size);
    const struct buffered *own;

    point(where);
    own = own_store(at);
    old = own != NULL ? own->value : read_memory(at, size);
    if (old != wanted) {
        write_memory(expected, size, old);
        loom_order_load(at, failure);
        loom_trace("cas   %p is %#llx, not %#llx   %s", (void *)at, (unsigned long long)old,
                   (unsigned long long)wanted, where);
        return false;
    }
    before_change(at, success);
    write_memory(at, size, value);
    loom_order_change(at, success);
    loom_trace("cas   %p %#llx -> %#llx   %s", (void *)at, (unsigned long long)old,
               (unsigned long long)value, where);
    return true;
}

void loom_fence(memory_order order, const char *where)
{
    loom_trace("fence   %s", where);
    if (releases(order))
        loom_flush();
    loom_order_fence(order);
}
