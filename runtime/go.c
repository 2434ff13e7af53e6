/* go.c - starting goroutines; see rn.h.   SPDX-License-Identifier: MIT */
#include "runtime/rn.h"

#include "runtime/sched.h"

#include <string.h>

static struct rn_group *group_of_caller(void)
{
    struct rn__g *self = rn__self();

    return self != NULL ? self->group : NULL;
}

/* Unlike rn_group_go, these start a goroutine in a cancelled group too; it finds itself cancelled. */
int rn_go(rn_fn *fn, void *arg)
{
    return rn__spawn(
        &(struct rn__spawn){ .fn = fn, .arg = arg, .group = group_of_caller(), .anyway = true });
}

int rn_go_copy(rn_fn *fn, const void *arg, size_t size)
{
    return rn__spawn(&(struct rn__spawn){
        .fn = fn, .arg = arg, .size = size, .group = group_of_caller(), .anyway = true });
}

int rn_go_with_v(const rn_go_opts *opts, size_t opts_size, rn_fn *fn, const void *arg, size_t size)
{
    rn_go_opts o = { 0 };

    if (opts != NULL)
        memcpy(&o, opts, opts_size < sizeof o ? opts_size : sizeof o);
    return rn__spawn(&(struct rn__spawn){ .fn = fn,
                                          .arg = arg,
                                          .size = size,
                                          .name = o.name,
                                          .stack_bytes = o.stack_bytes,
                                          .group = group_of_caller(),
                                          .anyway = true });
}
