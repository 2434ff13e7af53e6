/* test_stack.c - many goroutines, their stacks, and what guards them.   SPDX-License-Identifier: MIT
 *
 * How stacks are guarded is decided once in a process; so what needs another guard is done by this program started anew
 * (--child NAME) with RN_STACK_GUARD set. */
#include "tests/runtime/child.h"
#include "tests/runtime/inside.h"

#include "runtime/fiber.h"
#include "runtime/rn.h"
#include "runtime/stack.h"
#include "runtime/sync.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define USED_MOST SIZE_MAX
#if defined(RN__TSAN)
#undef USED_MOST
#define USED_MOST ((size_t)1 << 20) /* it remembers some ten thousand frames */
#define CROWD     2000              /* and a few thousand fibers */
#elif defined(RN__ASAN)
#define CROWD 20000
#elif !defined(RN_SLOW_CHECKS)
#define CROWD 1000000
#else
#define CROWD 100000
#endif

static uint64_t stack_bytes(void)
{
    rn_stats s;

    rn_stats_read(&s);
    return s.stack_bytes;
}

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size, pages = 0;

    check(f != NULL);
    check(fscanf(f, "%ld %ld", &size, &pages) == 2);
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- a crowd that waits ------------------------------------------------------------------------------------ */

static struct crowd {
    rn_chan *gate;
    rn_waitgroup up, down;
    _Atomic uint64_t sum;
} crowd;

static void crowd_fn(void *arg)
{
    char mine[64];

    memset(mine, *(int *)arg & 127, sizeof mine);
    rn_waitgroup_done(&crowd.up);
    rn_chan_recv(crowd.gate, NULL, RN_FOREVER);
    for (size_t i = 0; i < sizeof mine; i++)
        check(mine[i] == (*(int *)arg & 127));
    crowd.sum += (uint64_t) * (int *)arg;
    rn_waitgroup_done(&crowd.down);
}

static void crowd_gather(int n)
{
    crowd.gate = rn_chan_new(0, 0, NULL);
    crowd.sum = 0;
    rn_waitgroup_add(&crowd.up, n);
    rn_waitgroup_add(&crowd.down, n);
    for (int i = 0; i < n; i++)
        check_equal(rn_go_copy(crowd_fn, &i, sizeof i), 0);
    check_equal(rn_waitgroup_wait(&crowd.up, RN_FOREVER), 0);
}

static void crowd_disperse(int n)
{
    rn_stats s;

    rn_chan_close(crowd.gate);
    check_equal(rn_waitgroup_wait(&crowd.down, RN_FOREVER), 0);
    check_equal(crowd.sum, (uint64_t)n * (uint64_t)(n - 1) / 2);
    rn_chan_unref(crowd.gate);
    do {
        rn_yield(); /* the last of them are on their way out */
        rn_stats_read(&s);
    } while (s.goroutines > 1);
}

static int in_crowd(void *arg)
{
    (void)arg;
    crowd_gather(CROWD);
    crowd_disperse(CROWD);
    return 0;
}

static void crowd_is_started_waits_is_woken_and_ends(void **state)
{
    (void)state;
    run_inside(in_crowd, NULL);
}

/* ---- used again, and given back ------------------------------------------------------------------------------ */

static int in_generations(void *arg)
{
    uint64_t first = 0;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        crowd_gather(1000);
        crowd_disperse(1000);
        if (i == 0)
            first = stack_bytes();
    }
    /* What the workers keep of the first generations may have been missing to the others. */
    check(stack_bytes() <= 2 * first);
    return 0;
}

static void stacks_of_the_dead_are_used_again(void **state)
{
    (void)state;
    run_inside(in_generations, NULL);
}

static int in_give_back(void *arg)
{
    const int n = CROWD / 10;
    uint64_t stacks, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned times = 0;

    (void)arg;
    crowd_gather(n);
    crowd_disperse(n);
    stacks = stack_bytes();
    resident = resident_bytes();
    check(!rn__stack_give_back(rn_now() - RN__STACK_KEEP_NS));
    while (rn__stack_give_back(rn_now() + 2 * RN__STACK_KEEP_NS))
        times++;
    check(times >= (unsigned)n / 64 / 2);
    check(stack_bytes() < stacks / 2 + 64 * (uint64_t)RN__STACK_DEFAULT * 4 * 8);
    if (RN__STACK_FACTOR == 1) /* sanitizers keep memory of their own */
        check(resident - resident_bytes() > (uint64_t)n * page / 2);
    /* What was given back is as good as new. */
    crowd_gather(n);
    crowd_disperse(n);
    return 0;
}

static void what_nobody_needs_for_long_is_given_back(void **state)
{
    (void)state;
    run_inside(in_give_back, NULL);
}

/* ---- sizes ------------------------------------------------------------------------------------------------- */

struct sized {
    size_t bytes;
    rn_waitgroup *all;
};

/* Grows the stack until it ends below `low`. */
static __attribute__((noinline)) void use(const char *low)
{
    volatile char here[64];

    here[0] = 1;
    if ((const char *)__builtin_frame_address(0) > low)
        use(low);
    here[1] = here[0];
}

static void sized_fn(void *arg)
{
    const struct sized *s = arg;

    size_t bytes = s->bytes < USED_MOST ? s->bytes : USED_MOST;

    use((const char *)__builtin_frame_address(0) - bytes + 4096);
    rn_yield();
    rn_waitgroup_done(s->all);
}

static int in_sizes(void *arg)
{
    static const size_t sizes[] = { 16 << 10, 20 << 10, 48 << 10, 100 << 10,
                                    1 << 20,  8 << 20,  9 << 20,  (8 << 20) - 1 };
    rn_waitgroup all = { 0 };
    uint64_t before = 0;

    (void)arg;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            rn_go_opts o = { .stack_bytes = sizes[i] };
            struct sized s = { sizes[i], &all };

            rn_waitgroup_add(&all, 1);
            check_equal(rn_go_with(&o, sized_fn, &s, sizeof s), 0);
        }
        check_equal(rn_waitgroup_wait(&all, RN_FOREVER), 0);
        if (round == 9)
            before = stack_bytes();
    }
    check(stack_bytes() <=
          before + ((uint64_t)64 << 20) * 4); /* one of the largest may be on its way out */
    return 0;
}

static void every_size_of_stack_can_be_used_and_is_kept(void **state)
{
    (void)state;
    run_inside(in_sizes, NULL);
}

/* ---- children ------------------------------------------------------------------------------------------------ */

static volatile bool enough; /* never set */

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char here[256];

    here[0] = above[0];
    return enough ? 0 : deeper(here) + here[0];
}

static void endless_fn(void *arg)
{
    volatile char here[1] = { 0 };

    (void)arg;
    rn_set_name("endless");
    deeper(here);
}

/* Uses more than there is, by less than a page, comes back, and gives way. */
static void a_bit_fn(void *arg)
{
    (void)arg;
    rn_set_name("a bit");
    use((const char *)__builtin_frame_address(0) - (RN__STACK_FACTOR * 128 << 10));
    rn_yield();
    printf("it was not noticed\n");
}

static int start(rn_fn *fn)
{
    rn_go_opts o = { .stack_bytes = 128 << 10 };

    check_equal(rn_go_with(&o, fn, NULL, 0), 0);
    for (int i = 0; i < 10; i++)
        rn_yield();
    return 0;
}

static int in_endless(void *arg)
{
    (void)arg;
    return start(endless_fn);
}

static int in_a_bit(void *arg)
{
    (void)arg;
    return start(a_bit_fn);
}

static int in_100k(void *arg)
{
    (void)arg;
    crowd_gather(CROWD < 100000 ? CROWD : 100000);
    crowd_disperse(CROWD < 100000 ? CROWD : 100000);
    printf("all came back\n");
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void *arg);
} children[] = { { "endless", in_endless }, { "a bit", in_a_bit }, { "100k", in_100k } };

static int child_main(const char *name)
{
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        if (strcmp(name, children[i].name) == 0)
            return rn_main(1, children[i].fn, NULL);
    return 99;
}

struct ended {
    char text[8192]; /* what it has printed */
    int status;
};

/* This program anew, by what runs it here: nothing, or an emulator that ctest names. */
static _Noreturn void exec_child(const char *name)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = '\0';
    execl("/bin/sh", "sh", "-c", "exec $EMULATOR \"$0\" --child \"$1\"", path, name, (char *)NULL);
    _exit(98);
}

struct child {
    const char *name, *guard;
};

static void run_child(void *arg)
{
    const struct child *c = arg;

    setenv("RN_STACK_GUARD", c->guard, 1);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    exec_child(c->name);
}

static void child_run(struct ended *e, const char *name, const char *guard)
{
    e->status = child_end(run_child, &(struct child){ name, guard }, e->text, sizeof e->text);
}

static void expect_overflow(const char *child, const char *guard, const char *says)
{
    struct ended e;

    child_run(&e, child, guard);
    if (strstr(e.text, says) == NULL || !WIFSIGNALED(e.status) || WTERMSIG(e.status) != SIGABRT)
        fail_msg("%s, %s: status %d: %s", child, guard, e.status, e.text);
}

static void overflow_names_goroutine_and_size_whatever_the_guard(void **state)
{
    char endless[64], a_bit[64];

    (void)state;
    snprintf(endless, sizeof endless, "goroutine endless overflowed its %u KiB stack\n",
             RN__STACK_FACTOR * 128);
    snprintf(a_bit, sizeof a_bit, "goroutine a bit overflowed its %u KiB stack\n",
             RN__STACK_FACTOR * 128);
    expect_overflow("endless", "madvise", endless);
    expect_overflow("endless", "mprotect", endless);
    expect_overflow("endless", "canary", endless);
    expect_overflow("a bit", "madvise", a_bit);
    expect_overflow("a bit", "mprotect", a_bit);
    expect_overflow("a bit", "canary", a_bit);
}

static void expect_crowd(const char *guard, bool told)
{
    struct ended e;
    const char *first, *second;

    child_run(&e, "100k", guard);
    first = strstr(e.text, "no more guard pages");
    second = first != NULL ? strstr(first + 1, "no more guard pages") : NULL;
    if (strstr(e.text, "all came back") == NULL || e.status != 0 || (first != NULL) != told ||
        second != NULL)
        fail_msg("%s: status %d: %s", guard, e.status, e.text);
}

/* Does this kernel make a guard of a page by advice?  Emulators say so, and do not. */
static bool advice_guards(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool guards;

    assert_true(page != MAP_FAILED);
    guards = madvise(page, 4096, 102 /* MADV_GUARD_INSTALL */) == 0 && access(page, F_OK) < 0 &&
             errno == EFAULT;
    munmap(page, 4096);
    return guards;
}

static void more_goroutines_than_guard_pages_run_and_it_is_said_once(void **state)
{
    (void)state;
    expect_crowd("madvise", CROWD >= 100000 && !advice_guards());
    expect_crowd("mprotect", CROWD >= 100000);
    expect_crowd("canary", true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowd_is_started_waits_is_woken_and_ends),
        cmocka_unit_test(stacks_of_the_dead_are_used_again),
        cmocka_unit_test(what_nobody_needs_for_long_is_given_back),
        cmocka_unit_test(every_size_of_stack_can_be_used_and_is_kept),
        cmocka_unit_test(overflow_names_goroutine_and_size_whatever_the_guard),
        cmocka_unit_test(more_goroutines_than_guard_pages_run_and_it_is_said_once),
    };

    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return child_main(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
