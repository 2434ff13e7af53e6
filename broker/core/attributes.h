/* attributes.h - how a channel is: what binds state, what is fixed, and how both differ.   SPDX-License-Identifier: MIT */
#ifndef BROKER_CORE_ATTRIBUTES_H
#define BROKER_CORE_ATTRIBUTES_H

#include "proto/wire.h"

#include <stddef.h>

/* A phrase on what is out of range or contradicts itself, or NULL. */
const char *attributes_fault(const struct wire_attributes *stated);
/* A phrase on what this broker cannot do yet, or NULL. */
const char *attributes_unsupported(const struct wire_attributes *stated);

/* Does anything stated differ from what is fixed?  Then says so in `text`: each attribute with both values. */
bool attributes_differ(const struct wire_attributes *fixed, const struct wire_attributes *stated,
                       char *text, size_t size);

/* States what follows from what is stated: only a fanout drops or cuts. */
void attributes_imply(struct wire_attributes *stated);

/* Fixes what is stated and was not fixed yet; the type is the caller's business, because it owns memory. */
void attributes_fix(struct wire_attributes *fixed, const struct wire_attributes *stated);
/* Fixes the rest to the defaults. */
void attributes_fix_rest(struct wire_attributes *fixed);
/* Is all fixed that has a default?  (The type has none: a raw channel stays raw until somebody states one.) */
bool attributes_complete(const struct wire_attributes *fixed);

#endif
