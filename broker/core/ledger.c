/* ledger.c - the sum that every accepted element is part of once.   SPDX-License-Identifier: MIT */
#include "broker/core/ledger.h"

#include "runtime/assert.h"

void ledger_add(struct ledger *to, const struct ledger *from)
{
    to->accepted += from->accepted;
    to->copied += from->copied;
    to->taken += from->taken;
    to->dropped_cancelled += from->dropped_cancelled;
    to->dropped_purged += from->dropped_purged;
    to->expired += from->expired;
    to->dropped_slow += from->dropped_slow;
    to->dropped_nobody += from->dropped_nobody;
    to->left += from->left;
    to->dead += from->dead;
    to->redelivered += from->redelivered;
    to->returned += from->returned;
}

void ledger_check(const struct ledger *l, uint64_t held)
{
    rn_assert(l->accepted + l->copied == l->taken + l->dropped_cancelled + l->dropped_purged +
                                             l->dropped_slow + l->dropped_nobody + l->left +
                                             l->expired + l->dead + held);
}
