/* inquiry.h - questions about channels, asked by the first node of a world.   SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_INQUIRY_H
#define TESTS_CORE_INQUIRY_H

#include "tests/core/harness.h"

struct wire_channel_info info(struct world *w, const char *name);

/* Each gives the Answer, good until the next. */
const struct wire_control *peeks(struct world *w, const char *name, uint64_t from, uint32_t count,
                                 uint64_t offset);
const struct wire_control *asks_purge(struct world *w, const char *name);
const struct wire_control *asks_removal(struct world *w, const char *name, bool force);

/* What a peek tells: "1 buffered; 2 delivered to r, 1 time", with a + behind when there is more. */
const char *seen(const struct wire_control *c);
#define sees(w, from, count, text) assert_string_equal(seen(peeks(w, "x", from, count, 0)), text)

/* A node that has sent n elements of that size to x: the first of the world, as a rule. */
struct handle *holds(struct world *w, uint32_t n, size_t size);

#endif
