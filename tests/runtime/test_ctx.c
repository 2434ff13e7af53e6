/* test_ctx.c - what a switch of stacks must keep: alignment, registers, the floating point modes.
 *   SPDX-License-Identifier: MIT */
#include <fenv.h>
#include <string.h>

#include "runtime/ctx.h"
#include "runtime/stack.h"
#include "runtime/fiber.h"
#include "tests/runtime/inside.h"

/* The sanitizers must be told of every switch, and only the scheduler tells them. */
#if defined(RN__ASAN) || defined(RN__TSAN)
#define BARE_IS_UNKNOWN 1
#else
#define BARE_IS_UNKNOWN 0
#endif

/* ---- two contexts without a scheduler ------------------------------------------------ */

#if !BARE_IS_UNKNOWN
static struct rn__ctx home, away;
static _Alignas(16) char stack[64 << 10];
static uintptr_t misaligned;
static int visits;

static __attribute__((noinline)) uintptr_t frame_misalignment(void)
{
    _Alignas(16) volatile char here[16];

    here[0] = 0;
    return (uintptr_t)here & 15;
}

static void away_main(void *arg)
{
    /* The frame address is 16-aligned on both machines if the stack was when we were called. */
    misaligned = ((uintptr_t)__builtin_frame_address(0) & 15) | frame_misalignment();
    for (;;) {
        visits += *(int *)arg;
        rn__ctx_switch(&away, &home);
    }
}

static void entry_has_an_aligned_stack_and_its_argument(void **state)
{
    int step = 3;

    (void)state;
    visits = 0;
    misaligned = 1;
    rn__ctx_init(&away, stack + sizeof stack, away_main, &step);
    rn__ctx_switch(&home, &away);
    assert_int_equal(misaligned, 0);
    assert_int_equal(visits, 3);
    rn__ctx_switch(&home, &away);
    assert_int_equal(visits, 6);
}

#ifdef __x86_64__
static void spoil_main(void *arg)
{
    (void)arg;
    for (;;) {
        __asm__ volatile(
            "mov $-1, %%rbx\n mov $-1, %%r12\n mov $-1, %%r13\n mov $-1, %%r14\n mov $-1, %%r15" ::
                : "rbx", "r12", "r13", "r14", "r15");
        rn__ctx_switch(&away, &home);
    }
}

/* Fills the callee-saved registers, switches there and back, and writes what is in them to out. */
void hold_registers(uint64_t out[6], struct rn__ctx *from, const struct rn__ctx *to);
__asm__(
    ".text\n"
    ".globl hold_registers\n"
    ".type hold_registers, @function\n"
    "hold_registers:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n push %rdi\n"
    " mov $10, %rbp\n mov $11, %rbx\n mov $12, %r12\n mov $13, %r13\n mov $14, %r14\n mov $15, %r15\n"
    " mov %rsi, %rdi\n mov %rdx, %rsi\n"
    " call rn__ctx_switch\n"
    " pop %rdi\n"
    " mov %rbx, (%rdi)\n mov %r12, 8(%rdi)\n mov %r13, 16(%rdi)\n mov %r14, 24(%rdi)\n mov %r15, 32(%rdi)\n"
    " mov %rbp, %rax\n"
    " mov %rax, 40(%rdi)\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
    " ret\n"
    ".size hold_registers, . - hold_registers\n");

static void callee_saved_registers_survive_a_switch(void **state)
{
    uint64_t out[6];

    (void)state;
    rn__ctx_init(&away, stack + sizeof stack, spoil_main, NULL);
    for (int i = 0; i < 3; i++) {
        memset(out, 0, sizeof out);
        hold_registers(out, &home, &away);
        for (int k = 0; k < 5; k++)
            assert_int_equal(out[k], 11 + k);
        assert_int_equal(out[5], 10); /* rbp */
    }
}
#endif
#endif

/* ---- goroutines ------------------------------------------------------------------------- */

static void rounding_fn(void *arg)
{
    int mode = *(int *)arg;

    check_equal(fesetround(mode), 0);
    for (int i = 0; i < 1000; i++) {
        check_equal(fegetround(), mode);
        rn_yield();
    }
}

static int in_rounding(void *arg)
{
    static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 16; i++)
        check_equal(rn_group_go(g, rounding_fn, &modes[i % 4], sizeof modes[0]), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    check_equal(fegetround(), FE_TONEAREST);
    return 0;
}

static void rounding_mode_belongs_to_the_goroutine(void **state)
{
    (void)state;
    run_inside(in_rounding, NULL);
}

struct payload {
    _Alignas(16) char bytes[4096];
};

static void aligned_fn(void *arg)
{
    const struct payload *p = arg;
    _Alignas(64) char line[64];

    memset(line, p->bytes[0], sizeof line);
    check_equal((uintptr_t)arg & (_Alignof(max_align_t) - 1), 0);
    check_equal((uintptr_t)line & 63, 0);
    check_equal(line[63], p->bytes[4095]);
}

static void byte_fn(void *arg)
{
    check_equal((uintptr_t)arg & (_Alignof(max_align_t) - 1), 0);
    check_equal(*(char *)arg, 'x');
}

static int in_copies(void *arg)
{
    struct payload p;
    rn_group *g = rn_group_new();

    (void)arg;
    for (int i = 0; i < 100; i++) {
        memset(p.bytes, i, sizeof p.bytes);
        check_equal(rn_group_go(g, aligned_fn, &p, sizeof p), 0);
        memset(p.bytes, -1, sizeof p.bytes); /* it was copied */
        check_equal(rn_group_go(g, byte_fn, "x", 1), 0);
    }
    check_equal(rn_group_go(g, byte_fn, &p, sizeof p + 1), -EINVAL);
    check_equal(rn_go_copy(byte_fn, &p, sizeof p + 1), -EINVAL);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    return 0;
}

static void argument_is_copied_and_aligned_for_any_type(void **state)
{
    (void)state;
    run_inside(in_copies, NULL);
}

static __attribute__((noinline)) int deep(int n)
{
    volatile char here[1024];

    here[0] = (char)n;
    return n > 0 ? deep(n - 1) + here[0] - (char)n + 1 : 0;
}

static void deep_fn(void *arg)
{
    check_equal(deep(*(int *)arg), *(int *)arg);
}

static int in_large(void *arg)
{
    rn_go_opts opts = { .name = "large", .stack_bytes = 4 << 20 };
    rn_chan *end = rn_chan_new(0, 0, NULL);
    rn_group *g = rn_group_new();
    int n = 2000;

    (void)arg;
    check_equal(rn_go_with(&opts, deep_fn, &n, sizeof n), 0);
    n = 30;
    check_equal(rn_group_go(g, deep_fn, &n, sizeof n), 0);
    check_equal(rn_group_wait(g, RN_FOREVER), 0);
    rn_group_free(g);
    wait_until(({
        rn_stats s;
        rn_stats_read(&s);
        s.goroutines == 1;
    }));
    rn_chan_unref(end);
    return 0;
}

static void stack_is_as_large_as_was_asked_for(void **state)
{
    (void)state;
    run_inside(in_large, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if !BARE_IS_UNKNOWN
        cmocka_unit_test(entry_has_an_aligned_stack_and_its_argument),
#ifdef __x86_64__
        cmocka_unit_test(callee_saved_registers_survive_a_switch),
#endif
#endif
        cmocka_unit_test(rounding_mode_belongs_to_the_goroutine),
        cmocka_unit_test(argument_is_copied_and_aligned_for_any_type),
        cmocka_unit_test(stack_is_as_large_as_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
