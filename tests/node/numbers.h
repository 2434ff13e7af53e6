/* numbers.h - channels of numbers, sent and received in order.   SPDX-License-Identifier: MIT */
#ifndef TESTS_NODE_NUMBERS_H
#define TESTS_NODE_NUMBERS_H

#include "tests/node/cluster.h"

rn_chan *numbers(rn_node *node, const char *name, enum rn_dir dir, const rn_bind_opts *opts);
int send_number(rn_chan *c, int64_t number, rn_time deadline);
void send_numbers(rn_chan *c, int64_t first, int64_t last);
void receive_numbers(rn_chan *c, int64_t first, int64_t last); /* in this order */

/* For a goroutine: sends them, and closes. */
struct stream {
    rn_chan *chan;
    int64_t first, last;
};
void stream_out(void *stream);

#endif
