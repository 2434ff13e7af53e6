/* ledger.c - the sum that every accepted element is part of once.   SPDX-License-Identifier: MIT */
#include "broker/core/ledger.h"

#include "runtime/assert.h"

void ledger_add(struct ledger *to, const struct ledger *from)
{
    to->accepted += from->accepted;
    to->taken += from->taken;
    to->dropped_cancelled += from->dropped_cancelled;
    to->expired += from->expired;
    to->dead += from->dead;
    to->redelivered += from->redelivered;
    to->returned += from->returned;
}

void ledger_check(const struct ledger *l, uint64_t held)
{
    rn_assert(l->accepted == l->taken + l->dropped_cancelled + l->expired + l->dead + held);
}
