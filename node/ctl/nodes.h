/* nodes.h - what nodes say about their goroutines, kept and put into words.   SPDX-License-Identifier: MIT */
#ifndef NODE_CTL_NODES_H
#define NODE_CTL_NODES_H

#include <stddef.h>

#include "node/ctl/common.h"
#include "proto/wire.h"

/* All that one node has said, or that it has said nothing.  The texts are ours, and clean. */
struct told {
    struct wire_node_info info; /* without its goroutines */
    struct wire_goroutine *goroutine;
    size_t n, room;
};

struct nodes {
    struct told *told;
    size_t n, room;
    int error; /* < 0: could not be kept */
};

/* Asks about the goroutines of a channel (WIRE_WHY) or of nodes (WIRE_DUMP; name NULL: all).  CTL_OK, or CTL_FAILED and it has
 * said why.  nodes_free() in either case. */
int nodes_ask(struct nodes *ns, rn_node *node, enum wire_want want, const char *name,
              const struct ctl_opts *opts);
void nodes_free(struct nodes *ns);

/* ---- in words, on standard output ---- */

/* "node worker-1 (pid 7 on host)" */
void print_node(const struct wire_node_info *info);

/* Why nothing is known of it: "gave no answer for 1 s ...".  Nothing when it has answered. */
void print_silence(const struct wire_node_info *info);

/* "2.3 s" */
void print_duration(uint64_t ms);

/* What it does: "waits to send to counts", "runs". */
void print_doing(const struct wire_goroutine *g);

/* Its stack, a line for each call; without `all` not those by which the library waits and begins, which are the same for
 * everybody.  One line when there is none. */
void print_stack(const struct wire_goroutine *g, const char *indent, bool all);

#endif
