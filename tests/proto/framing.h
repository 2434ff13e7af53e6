/* framing.h - frames that are made for a test, and how they must be read.   SPDX-License-Identifier: MIT */
#ifndef TESTS_PROTO_FRAMING_H
#define TESTS_PROTO_FRAMING_H

#include "proto/frame.h"

void read_good(struct frame_view *v, const struct frame *f);
/* The bytes, in memory of exactly their size so that a sanitizer sees one byte too far, must be refused.  Gives why. */
const char *read_bad(const uint8_t *data, size_t len);

/* A section of n elements with the lengths given; the body is the caller's to free. */
struct wire_section section_of(const size_t *lens, uint32_t n);
struct frame *frame_with_sections(uint32_t n_sections, uint32_t count, size_t len);
struct frame *frame_of_bytes(const void *data, size_t len);

size_t sections_at(const struct frame *f); /* where the first section begins */

#endif
