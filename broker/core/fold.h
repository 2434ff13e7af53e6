/* fold.h - a channel at rest, and its bindings, as one small piece of memory.   SPDX-License-Identifier: MIT
 *
 * Most of what a channel and a binding have is for what goes on in them.  When nothing has gone on for a while - nothing is in
 * the channel, nobody is owed a word - they are folded: their numbers are written one after the other, small ones in a byte,
 * and the rest, which is as in a new one, goes without saying.  They are opened when somebody says something about them.
 *
 * What is folded is opened beside it first and compared byte by byte: what has changed in any respect that is not written is
 * not folded.  So a field that is new is no danger: if it matters at rest, and nobody has it written, nothing with it is folded.
 *
 * In the tables (core->channels, session->bindings) a fold stands where the channel or the binding did, with a mark. */
#ifndef BROKER_CORE_FOLD_H
#define BROKER_CORE_FOLD_H

#include "broker/core/channel.h"

struct core_session;
struct fold;

/* What stands in a table. */
static inline struct fold *fold_of(const void *thing)
{
    return ((uintptr_t)thing & 1) != 0 ? (struct fold *)((uintptr_t)thing - 1) : NULL;
}

/* A channel and its bindings, opened in the caller's memory: only to be looked at, and as long as the fold is there. */
struct unfolded {
    struct channel channel;
    struct binding of[2]; /* by direction; session: NULL: there is none */
};

/* It is looked at again after a while. */
void fold_later(struct channel *ch);
/* Folds what nothing has gone on in. */
void fold_cold(struct core *core);
/* When that is due; INT64_MAX: nothing is. */
int64_t fold_deadline(const struct core *core);

/* It is a channel with bindings again, and the fold is gone.  NULL: no memory, and nothing has changed; it counts as that
 * when a binding of a session that is over is in it, for which there was no memory: only who ends that may open it. */
enum fold_purpose { FOLD_TO_USE, FOLD_TO_END };
struct channel *fold_open(struct core *core, struct fold *f, enum fold_purpose purpose);
const struct channel *fold_look(struct core *core, const struct fold *f, struct unfolded *at);

/* Of its channel. */
const char *fold_name(const struct fold *f);
/* Frees it; nobody is told, and nothing counted: the end of a core. */
void fold_drop(struct core *core, struct fold *f);

#endif
