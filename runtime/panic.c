/* panic.c - the end of a program that has gone wrong.   SPDX-License-Identifier: MIT */
#include "runtime/assert.h"
#include "runtime/dump.h"
#include "runtime/rn.h"
#include "runtime/sim.h"
#include "runtime/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Noreturn void die(void)
{
    rn__dump_self(STDERR_FILENO);
    if (rn__sim_active())
        dprintf(STDERR_FILENO, "rn_sim: seed %llu\n", (unsigned long long)rn__sim_seed());
    rn__trace_write(/* calm= */ false);
    abort();
}

void rn_panic(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    dprintf(STDERR_FILENO, "panic: %s\n", text);
    die();
}

void rn__assert_failed(const char *file, int line, const char *condition)
{
    dprintf(STDERR_FILENO, "%s:%d: assertion failed: %s\n", file, line, condition);
    die();
}
