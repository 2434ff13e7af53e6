/* times.h - when an element is to be had, and for how long, as its sender says.   SPDX-License-Identifier: MIT */
#ifndef NODE_TIMES_H
#define NODE_TIMES_H

#include "node/manner.h"
#include "node/runnel.h"

#include <errno.h>

/* 0, or -EINVAL: times that make no sense. */
int times_read(const rn_send_opts *o, struct manner *m);

#endif
