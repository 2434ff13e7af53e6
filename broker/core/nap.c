/* nap.c - see nap.h.   SPDX-License-Identifier: MIT */
#include "broker/core/nap.h"

#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>

struct nap {
    struct due due;
    struct hook hook; /* in channel->naps */
    struct channel *channel;
    struct run_queue runs;
};

/* Takes it off everything but its runs. */
static void nap_leave(struct nap *nap)
{
    struct channel *ch = nap->channel;

    due_take(&nap->due);
    hook_take(&nap->hook);
    ch->delayed -= nap->runs.count;
    ch->delayed_bytes -= nap->runs.bytes;
}

static void nap_end(struct nap *nap)
{
    nap_leave(nap);
    run_queue_merge(&nap->channel->queue, &nap->runs);
    free(nap);
}

static void nap_falls(struct due *due)
{
    struct nap *nap = due_entry(due, struct nap, due);
    struct channel *ch = nap->channel;

    rn_reached("nap: a delay is over");
    nap_end(nap);
    channel_after(ch);
}

static int64_t due_at(const struct core *core, uint64_t delay_ms)
{
    uint64_t left_ms = (uint64_t)(INT64_MAX - core->now_ns) / 1000000;

    return delay_ms < left_ms ? core->now_ns + (int64_t)delay_ms * 1000000 : INT64_MAX;
}

struct nap *nap_new(struct channel *ch)
{
    struct nap *nap = malloc(sizeof *nap);

    if (nap == NULL)
        return NULL;
    nap->channel = ch;
    due_init(&nap->due, nap_falls);
    hook_init(&nap->hook);
    run_queue_init(&nap->runs);
    return nap;
}

void nap_begin(struct nap *nap, struct run_queue *runs, uint64_t delay_ms)
{
    struct channel *ch = nap->channel;

    ch->delayed += runs->count;
    ch->delayed_bytes += runs->bytes;
    run_queue_merge(&nap->runs, runs);
    hook_put(&ch->naps, &nap->hook);
    due_put(&ch->core->dues, &nap->due, due_at(ch->core, delay_ms));
}

void nap_done(struct nap *nap)
{
    if (!hook_linked(&nap->hook))
        free(nap);
}

void nap_end_all(struct channel *ch)
{
    struct nap *nap;

    while ((nap = list_first(&ch->naps, struct nap, hook)) != NULL) {
        rn_reached("nap: a close ends a delay");
        nap_end(nap);
    }
}

uint64_t nap_drop_all(struct channel *ch)
{
    uint64_t n = ch->delayed;
    struct nap *nap;

    while ((nap = list_first(&ch->naps, struct nap, hook)) != NULL) {
        nap_leave(nap);
        run_queue_free(&nap->runs);
        free(nap);
    }
    return n;
}

uint64_t nap_memory(const struct channel *ch)
{
    uint64_t bytes = 0;

    list_each(&ch->naps, at)
    {
        const struct nap *nap = list_entry(at, struct nap, hook);
        bytes += sizeof *nap + run_queue_memory(&nap->runs);
    }
    return bytes;
}

void nap_check(const struct channel *ch)
{
    uint64_t n = 0, bytes = 0;

    list_each(&ch->naps, at)
    {
        const struct nap *nap = list_entry(at, struct nap, hook);
        rn_assert(due_pending(&nap->due));
        rn_assert(nap->runs.count > 0);
        run_queue_check(&nap->runs);
        n += nap->runs.count;
        bytes += nap->runs.bytes;
    }
    rn_assert(n == ch->delayed);
    rn_assert(bytes == ch->delayed_bytes);
    rn_assert(!ch->closed || n == 0);
}
