/* locks.h - what the tests of sync.h share.   SPDX-License-Identifier: MIT */
#ifndef TESTS_RUNTIME_LOCKS_H
#define TESTS_RUNTIME_LOCKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/line.h"
#include "tests/runtime/child.h"
#include "tests/runtime/inside.h"

/* How many wait in a lock's line. */
static inline int in_line(void *lock)
{
    struct rn__line *l = lock;
    int n = 0;

    if (!(atomic_load(&l->word) & RN__LINE_WAITERS))
        return 0;
    rn__line_enter();
    rn__line_lock(l, 0);
    for (struct rn__waiter *w = l->first; w != NULL; w = rn__line_after(l, w))
        n++;
    rn__line_unlock(l, 0, 0);
    rn__line_leave();
    return n;
}

/* Starts fn(&arg) in g and waits until it is the n-th in the lock's line. */
#define start_waiting(g, fn, arg, lock, n)                           \
    do {                                                             \
        check_equal(rn_group_go((g), (fn), &(arg), sizeof(arg)), 0); \
        wait_until(in_line(lock) == (n));                            \
    } while (0)

/* ---- programs that do not end well --------------------------------------------------------- */

static inline void end_inside(void *fn)
{
    exit(rn_main(inside_workers(), *(int (**)(void *))fn, NULL));
}

/* Runs fn inside a child; its end, and what it said. */
static inline int end_of(int (*fn)(void *), char *text, size_t size)
{
    return child_end(end_inside, &fn, text, size);
}

/* It panics with that sentence. */
static inline void panics(int (*fn)(void *), const char *sentence)
{
    static char text[32768];
    int status = end_of(fn, text, sizeof text);

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(text, sentence) == NULL)
        fail_msg("no panic \"%s\" but status %#x and: %s", sentence, (unsigned)status, text);
}

/* It ends with Go's report, in which all these words stand (the list ends with NULL). */
static inline void deadlocks(int (*fn)(void *), const char *const *words)
{
    static char text[32768];
    int status = end_of(fn, text, sizeof text);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 2 ||
        strstr(text, "all goroutines are asleep - deadlock!") == NULL)
        fail_msg("no deadlock report but status %#x and: %s", (unsigned)status, text);
    for (; *words != NULL; words++)
        if (strstr(text, *words) == NULL)
            fail_msg("no \"%s\" in: %s", *words, text);
}

/* ---- under ThreadSanitizer: does it see a race there? ------------------------------------------ */

#ifdef RN__TSAN
static inline void races(int (*fn)(void *), bool expected)
{
    static char text[65536];
    int status;

    setenv("RN_TEST_WORKERS", "2", 1);
    status = end_of(fn, text, sizeof text);
    unsetenv("RN_TEST_WORKERS");
    if ((strstr(text, "ThreadSanitizer: data race") != NULL) != expected)
        fail_msg("expected %s race; status %#x and: %s", expected ? "a" : "no", (unsigned)status,
                 text);
}
#endif

#endif
