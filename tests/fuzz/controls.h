/* controls.h - what every decoded control promises, and whether two say the same.   SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_CONTROLS_H
#define TESTS_FUZZ_CONTROLS_H

#include "proto/wire.h"

/* Ends the process unless all in it is as wire.h and limits.h say. */
void control_must_be_sound(const struct wire_control *c);

bool control_same(const struct wire_control *a, const struct wire_control *b);

#endif
