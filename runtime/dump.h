/* dump.h - reports: every goroutine, a deadlock, the end of the program.   SPDX-License-Identifier: MIT
 *
 * None of these allocates or waits for a goroutine. */
#ifndef RN__DUMP_H
#define RN__DUMP_H

#include <stdbool.h>
#include <stdint.h>

/* "all goroutines are asleep - deadlock!", then every goroutine, on standard error.  The exit is the caller's. */
void rn__dump_deadlock(void);

/* "goroutine 7 "name" (system)". */
struct rn__print;
struct rn__frames;
struct rn__seen;
void rn__dump_who(struct rn__print *p, uint64_t id, const char *name, bool system);

/* One of a roster, as rn_dump shows it. */
void rn__dump_seen(struct rn__print *p, const struct rn__seen *e);

/* The caller's own frames, from the caller of this on.  false: it is no goroutine. */
bool rn__dump_own_frames(struct rn__frames *f);

/* The caller's own goroutine and where it is, from the caller of this on, on fd: for those who are about to abort. */
void rn__dump_self(int fd);

/* Where a stack overflow is reported from: rn__fault_init once per run, then each thread that runs goroutines prepares its
 * alternate stack (0 or -ENOMEM) and gives it back at its end.  Other faults go to whoever handled them before. */
int rn__fault_init(void);
/* Of a goroutine without a guard page, which calls this: does not return if it has overflowed its stack. */
struct rn__g;
void rn__fault_canary(const struct rn__g *g);
void rn__fault_fini(void);
int rn__fault_thread_init(void);
void rn__fault_thread_fini(void);

#endif
