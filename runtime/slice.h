/* slice.h - how long a thread runs on while others wait for its CPU.   SPDX-License-Identifier: MIT
 *
 * Workers mostly run in short bursts, and what they do in one is what others wait for: a message that passes five threads waits
 * five times for whoever has the CPU, which the system gives away for some milliseconds.  It asks for less when it is the
 * shorter one: since Linux 6.12 a thread may say so, and then runs sooner when it wakes up.  Its share of the CPU stays what it
 * was. */
#ifndef RN__SLICE_H
#define RN__SLICE_H

#include <stdint.h>

/* For the calling thread, and for those that it makes from now on; ZeroMQ's are among them.  Gives what it was, for
 * rn__slice_restore(), or 0: nothing was changed. */
uint64_t rn__slice_shorten(void);
void rn__slice_restore(uint64_t was);

#endif
