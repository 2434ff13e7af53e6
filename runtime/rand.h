/* rand.h - randomness; from the seed in a simulation.   SPDX-License-Identifier: MIT */
#ifndef RN__RAND_H
#define RN__RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fast, for choices; not for secrets.  Any thread. */
uint64_t rn__rand64(void);
/* Fills *out with bytes that nobody can guess (getrandom); in a simulation from the seed. */
void rn__entropy(void *out, size_t size);
/* One step of a generator whose state is *state, any value. */
uint64_t rn__rand_next(uint64_t *state);

#endif
