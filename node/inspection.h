/* inspection.h - the broker's questions about goroutines, and who answers them.   SPDX-License-Identifier: MIT
 *
 * All but the free is the link goroutine's. */
#ifndef NODE_INSPECTION_H
#define NODE_INSPECTION_H

#include "proto/wire.h"

struct rn_node;
struct inspection;

/* Inspect came: has the next Report made, beside the link goroutine; or ends the inspection. */
void inspection_input(struct rn_node *n, const struct wire_control *c);

/* A Report is ready (or could not be made): it is sent if it is still wanted.  Takes i. */
void inspection_reported(struct rn_node *n, struct inspection *i);

/* The session is over: nobody waits for a Report any more. */
void inspections_end(struct rn_node *n);

/* Of one that came back when nobody was there any more. */
void inspection_free(struct inspection *i);

#endif
