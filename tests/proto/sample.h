/* sample.h - a control of every kind, filled at random.   SPDX-License-Identifier: MIT */
#ifndef TESTS_PROTO_SAMPLE_H
#define TESTS_PROTO_SAMPLE_H

#include "proto/limits.h"
#include "proto/wire.h"

#define SAMPLE_INFOS  3
#define SAMPLE_RANGES 7
#define SAMPLE_TEXTS  128 /* more than a control has */
#define SAMPLE_WHATS  33

/* A control and all that it points to. */
struct sample {
    struct wire_control control;
    char texts[SAMPLE_TEXTS][WIRE_TEXT_MAX + 1];
    int n_texts;
    struct wire_channel_info channels[SAMPLE_INFOS];
    struct wire_binding_info bindings[SAMPLE_INFOS][SAMPLE_INFOS];
    struct wire_node_info nodes[SAMPLE_INFOS];
    struct wire_goroutine goroutines[SAMPLE_INFOS][SAMPLE_INFOS];
    struct wire_wait waits[SAMPLE_INFOS][SAMPLE_INFOS][SAMPLE_INFOS];
    struct wire_range ranges[SAMPLE_RANGES];
    struct wire_element elements[SAMPLE_INFOS];
    struct wire_tap_info taps[SAMPLE_INFOS][SAMPLE_INFOS];
};

extern const enum wire_what sample_whats[SAMPLE_WHATS];

/* The seed decides. */
void sample_make(struct sample *s, enum wire_what what, uint64_t seed);

/* Fails the test if they differ. */
void sample_same(const struct wire_control *a, const struct wire_control *b);

#endif
