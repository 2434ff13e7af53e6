/* shard.h - one core, the sessions of its nodes, and the goroutine that drives both from a link.
 *   SPDX-License-Identifier: MIT */
#ifndef BROKER_SHARD_H
#define BROKER_SHARD_H

#include "proto/link/link.h"

struct core;
struct shard;

struct shard_opts {
    uint32_t lease_default_ms; /* for nodes that ask for none; 0: WIRE_LEASE_DEFAULT_MS */
    uint32_t lease_max_ms;     /* no node gets a longer one; 0: WIRE_LEASE_MAX_MS */
    int64_t idle_ns;           /* how long an open, empty, unbound channel is kept; 0: 60 s */
    int64_t fold_ns;           /* see core_opts */
    int64_t hello_ns;          /* how long a connection may be without a session; 0: 10 s */
    uint32_t piece_bytes;      /* see core_opts */
};

/* Takes the link, of whatever kind; opts may be NULL.  NULL: no memory, and the link is still the caller's. */
struct shard *shard_new(struct link *link, const struct shard_opts *opts);

/* Serves nodes in the calling goroutine, which owns the link and the core from now on, until shard_stop(); then
 * refuses all sessions with SHUTDOWN and gives 0, or < 0 when the link has failed. */
int shard_run(struct shard *shard);

/* Makes shard_run() return soon.  Any goroutine; any number of times. */
void shard_stop(struct shard *shard);

/* After shard_run() has returned.  Closes the link: parks for a second at most. */
void shard_free(struct shard *shard);

/* What it has inside, for tests. */
struct core *shard_core(struct shard *shard);
size_t shard_sessions(const struct shard *shard);
size_t shard_peers(const struct shard *shard);

#endif
