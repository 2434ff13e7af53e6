/* node.h - the model node of the harness, for harness.c and handle.c.   SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_NODE_H
#define TESTS_CORE_NODE_H

#include "tests/core/harness.h"

struct handle *node_handle(struct node *n, uint32_t number); /* NULL: it has none of that number */

/* Sends, takes and asks for what the handle can, and says so. */
void node_work(struct handle *h);

/* A control, or a section, has come. */
void node_hear(struct node *n, struct message *m);
void node_store(struct node *n, const struct message *m);

#endif
